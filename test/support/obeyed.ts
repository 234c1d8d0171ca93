import { expect } from '@jest/globals'
import type { Client } from './client.ts'
import { eventually } from './eventually.ts'

/** Checks of each service. Each has a new connection, and a service distributes those, so that every process is asked. */
const ASKED = 16

/** Resolves once every process of these services decides the key by this policy. Nothing is spent. */
export function obeyedByAll(
  clients: readonly Client[],
  key: string,
  policy: string,
  timeoutMs?: number,
): Promise<void> {
  const ask = (client: Client) =>
    client.request('POST', '/check', { key, tokens: 0 }, { connection: 'close' }).then(({ body }) => body.policy)
  return eventually(async () => {
    const policies = await Promise.all(clients.flatMap(client => Array.from({ length: ASKED }, () => ask(client))))
    expect(new Set(policies)).toEqual(new Set([policy]))
  }, timeoutMs)
}
