import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { descendantsOf } from '../../test/support/processes.ts'
import { POLICY_VARIABLES } from '../policy.ts'
import type { MeasuredProcess } from './measured-process.ts'

const ENTRY = fileURLToPath(new URL('../../src/cluster.js', import.meta.url))

/** Starts the front as `npm run start:api` does, one process under its primary, with everything that is on by default. */
export async function startService(redisUrl: string): Promise<MeasuredProcess> {
  const child = spawn(process.execPath, [ENTRY], {
    // A `.env` of the project must not change what is measured.
    cwd: dirname(ENTRY),
    env: { PATH: process.env['PATH'], PORT: '0', WEB_CONCURRENCY: '1', REDIS_URL: redisUrl, ...POLICY_VARIABLES },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const output: string[] = []
  let port: number | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    output.push(line)
    const url = /"url":"http:\/\/[^"]*:(\d+)"/.exec(line)?.[1]
    if (url !== undefined) {
      port = Number(url)
      break
    }
  }
  if (port === undefined) throw new Error(`the service did not start:\n${output.join('\n')}`)
  child.stdout.resume()

  const primary = child.pid ?? 0
  const front = descendantsOf(primary).find(({ command }) => command.startsWith('throttler front'))
  if (front === undefined) throw new Error('the service has no front process')
  return {
    port,
    pids: [primary, front.pid],
    frontPid: front.pid,
    stop: async () => {
      child.kill()
      await exited
    },
  }
}
