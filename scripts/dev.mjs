// Builds and runs the service, and does both again whenever a source changes.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'

const QUIET_MS = 200

let service
let timer

async function restart() {
  if (spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' }).status !== 0) return
  if (service?.exitCode === null) {
    service.kill('SIGTERM')
    await once(service, 'exit')
  }
  service = spawn('node', ['dist/src/main.js'], { stdio: 'inherit' })
}

function soon() {
  clearTimeout(timer)
  timer = setTimeout(restart, QUIET_MS)
}

for (const folder of ['src', 'workers']) watch(folder, { recursive: true }, soon)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    if (service?.exitCode === null) {
      service.kill('SIGTERM')
      await once(service, 'exit')
    }
    process.exit(0)
  })
}
await restart()
