import { expect } from '@jest/globals'
import type { Redis } from 'ioredis'
import { eventually } from './eventually.ts'

/** Ends the connections that wait for commands at a server, and keeps them from coming back. Its other connections stay. */
export async function barWaitingConnections(redis: Redis, atLeast: number): Promise<void> {
  const ids = await eventually(async () => {
    const clients = String(await redis.call('CLIENT', 'LIST')).split('\n')
    const waiting = clients.filter(line => line.includes('cmd=bzpopmin'))
    expect(waiting.length).toBeGreaterThanOrEqual(atLeast)
    return waiting.map(line => /^id=(\d+)/.exec(line)?.[1] ?? '')
  })
  await redis.config('SET', 'maxclients', '1')
  for (const id of ids) await redis.call('CLIENT', 'KILL', 'ID', id)
}
