/**
 * The service under pm2: fork mode, since the front's primary keeps its own processes. Needs REDIS_URL.
 * @see https://pm2.keymetrics.io/docs/usage/application-declaration/
 */
const common = {
  exec_mode: 'fork',
  instances: 1,
  // Longer than SHUTDOWN_TIMEOUT_MS and what the primary adds to it, so that pm2 never cuts a stop short.
  kill_timeout: 15_000,
}

module.exports = {
  apps: [
    { ...common, name: 'throttler-api', script: 'dist/src/cluster.js' },
    { ...common, name: 'throttler-worker', script: 'dist/workers/config.worker.js' },
  ],
}
