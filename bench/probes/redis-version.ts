import { spawnSync } from 'node:child_process'

/** What `redis-server --version` says, or `undefined` where there is none. */
export function redisVersion(): string | undefined {
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
  return status === 0 ? (/v=(\S+)/.exec(stdout)?.[1] ?? stdout.trim()) : undefined
}
