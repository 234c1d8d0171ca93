import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { MeasuredProcess } from './measured-process.ts'

const ENTRY = fileURLToPath(new URL('../servers/serve.js', import.meta.url))

/** Starts one of the servers that the service is compared with. */
export async function startComparisonServer(name: string, redisUrl: string): Promise<MeasuredProcess> {
  const child = fork(ENTRY, [name, redisUrl])
  const exited = once(child, 'exit')
  const failed = exited.then(([code]) => Promise.reject(new Error(`the server "${name}" ended with code ${code}`)))
  const [port] = (await Promise.race([once(child, 'message'), failed])) as [number]
  failed.catch(() => undefined)
  const pid = child.pid ?? 0
  return {
    port,
    pids: [pid],
    frontPid: pid,
    stop: async () => {
      child.kill()
      await exited
    },
  }
}
