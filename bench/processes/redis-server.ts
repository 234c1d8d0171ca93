import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../../src/processes/free-port.ts'

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** What `redis-server --version` says, or `undefined` where there is none. */
export function redisVersion(): string | undefined {
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  return status === 0 ? (/v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim()) : undefined
}

/** A Redis of the benchmark's own on a free port of loopback, without persistence. */
export async function startRedis(...further: readonly string[]): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'throttler-bench-'))
  const port = await freePort('127.0.0.1')
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...further]
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('Ready to accept connections')) break
  }
  if (child.exitCode !== null) throw new Error(`redis-server ended with code ${child.exitCode}`)
  child.stdout.resume()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill()
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}
