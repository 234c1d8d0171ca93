import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const ENTRY = fileURLToPath(new URL('../../workers/config.worker.js', import.meta.url))

/** Starts a config worker as `npm run start:worker` does. Resolves, once it takes commands, with what ends it. */
export async function startWorker(redisUrl: string): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [ENTRY], {
    // A `.env` of the project must not change what is measured.
    cwd: dirname(ENTRY),
    env: { PATH: process.env['PATH'], REDIS_URL: redisUrl, WORKER_METRICS_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('ready to take commands')) break
  }
  child.stdout.resume()
  return async () => {
    child.kill()
    await exited
  }
}
