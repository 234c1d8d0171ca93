import { expect } from '@jest/globals'
import type { Answer, Client } from './client.ts'
import { eventually } from './eventually.ts'

/** Checks of each service. Each has a new connection, and a service distributes those, so that every process is asked. */
const ASKED = 16

/** The decisions of every process of these services. Nothing is spent. */
function askAll(clients: readonly Client[], key: string): Promise<Answer['body'][]> {
  const ask = (client: Client) =>
    client.request('POST', '/check', { key, tokens: 0 }, { connection: 'close' }).then(({ body }) => body)
  return Promise.all(clients.flatMap(client => Array.from({ length: ASKED }, () => ask(client))))
}

/** Resolves once every process of these services decides the key by this policy. */
export function obeyedByAll(
  clients: readonly Client[],
  key: string,
  policy: string,
  timeoutMs?: number,
): Promise<void> {
  return eventually(async () => {
    const policies = (await askAll(clients, key)).map(decision => decision.policy)
    expect(new Set(policies)).toEqual(new Set([policy]))
  }, timeoutMs)
}

/** Resolves once every process of a service decides the key by the same version of the same policy. */
export function agreedByAll(client: Client, key: string): Promise<void> {
  return eventually(async () => {
    const versions = (await askAll([client], key)).map(({ policy, policyVersion }) => `${policy} ${policyVersion}`)
    expect(new Set(versions)).toEqual(new Set(versions.slice(0, 1)))
  })
}
