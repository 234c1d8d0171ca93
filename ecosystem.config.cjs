/**
 * The service under pm2: fork mode, since the front's primary keeps its own processes. Needs REDIS_URL.
 * @see https://pm2.keymetrics.io/docs/usage/application-declaration/
 */
const common = {
  exec_mode: 'fork',
  instances: 1,
  cwd: __dirname,
  // Online is what says so itself; what has not after so long, ms, is taken for online nevertheless.
  wait_ready: true,
  listen_timeout: 15_000,
  // Longer than SHUTDOWN_TIMEOUT_MS and what the primary adds to it, so that pm2 never cuts a stop short.
  kill_timeout: 15_000,
  // In a crash loop, pauses from 100 ms that grow to 15 s, rather than to give up after `max_restarts`.
  exp_backoff_restart_delay: 100,
  // One file for each, which pm2-logrotate or logrotate rotates.
  merge_logs: true,
}

module.exports = {
  apps: [
    { ...common, name: 'throttler-api', script: 'dist/src/cluster.js' },
    { ...common, name: 'throttler-worker', script: 'dist/workers/config.worker.js' },
  ],
}
