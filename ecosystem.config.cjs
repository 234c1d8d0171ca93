/**
 * The service under pm2: in fork mode, because the primary of the front processes manages its own processes. Needs REDIS_URL.
 * @see https://pm2.keymetrics.io/docs/usage/application-declaration/
 */
const { existsSync, readFileSync } = require('node:fs')
const { join } = require('node:path')
const { parseEnv } = require('node:util')

/** Apps read `.env` themselves: what pm2 gave them would take precedence over later changes of the file. */
const dotenv = join(__dirname, '.env')
const dotenvText = existsSync(dotenv) ? readFileSync(dotenv, 'utf8') : ''
const { REDIS_URL, REDIS_URL_FILE } = { ...parseEnv(dotenvText), ...process.env }

const isStopping = ['stop', 'delete', 'del'].includes(process.argv[2])
// Apps refuse this too, but here it could hide a REDIS_URL, which the next report would then call missing.
if (!isStopping && /\r(?!\n)/.test(dotenvText)) {
  throw new Error(`"${dotenv}" must end lines with "\\n" or "\\r\\n" (got a lone "\\r")`)
}
if (!isStopping && !REDIS_URL && !REDIS_URL_FILE) {
  throw new Error(
    `"REDIS_URL" must be set (got nothing). Set it in the environment or in ${dotenv}, for example REDIS_URL=redis://127.0.0.1:6379`,
  )
}

const common = {
  exec_mode: 'fork',
  instances: 1,
  cwd: __dirname,
  // An app is online when it says so, or at the latest after this time, in ms.
  wait_ready: true,
  listen_timeout: 15_000,
  // Longer than SHUTDOWN_TIMEOUT_MS and what the primary adds to it, so that pm2 never cuts a stop short. In ms.
  kill_timeout: 15_000,
  // In a crash loop, pauses grow from 100 ms to 15 s, and pm2 does not give up after `max_restarts`.
  exp_backoff_restart_delay: 100,
  // One log file per app, which pm2-logrotate or logrotate rotates.
  merge_logs: true,
}

module.exports = {
  apps: [
    { ...common, name: 'throttler-api', script: 'dist/src/cluster.js' },
    { ...common, name: 'throttler-worker', script: 'dist/workers/config.worker.js' },
  ],
}
