// Builds and runs the service, and does both again whenever a source changes.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'

const QUIET_MS = 200

let service
let timer
let restarted = Promise.resolve()

async function stop() {
  if (service === undefined || service.exitCode !== null || service.signalCode !== null) return
  service.kill('SIGTERM')
  await once(service, 'exit')
}

async function restart() {
  if (spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' }).status !== 0) return
  await stop()
  service = spawn('node', ['dist/src/main.js'], { stdio: 'inherit' })
}

/** Restarts once no source has changed for QUIET_MS. Restarts run one after another, since a stop takes a while. */
function scheduleRestart() {
  clearTimeout(timer)
  timer = setTimeout(() => {
    restarted = restarted.then(restart)
  }, QUIET_MS)
}

for (const folder of ['src', 'workers', 'console']) watch(folder, { recursive: true }, scheduleRestart)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await stop()
    process.exit(0)
  })
}
restarted = restart()
