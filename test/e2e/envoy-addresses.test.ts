import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import type { Document } from 'yaml'
import { Client } from '../support/client.ts'
import { CONNECTION_MANAGER, Envoy } from '../support/envoy.ts'
import { describeWithEnvoy } from '../support/programs.ts'
import { Service } from '../support/service.ts'

const POLICY = 'rls;edge;remote_address'
const TWO = { capacity: 2, refillTokens: 1, refillIntervalMs: 86_400_000 }

let service: Service
let client: Client
let envoy: Envoy | undefined

/** The status of a request that says that it comes from these addresses. */
const statusFrom = async (forwardedFor: string): Promise<number> =>
  (await fetch(String(envoy?.url), { headers: { 'x-forwarded-for': forwardedFor } })).status

const statusesFrom = async (...addresses: string[]): Promise<number[]> => {
  const statuses: number[] = []
  for (const address of addresses) statuses.push(await statusFrom(address))
  return statuses
}

const remainingOf = async (address: string): Promise<number> =>
  (await client.get(`/buckets/${encodeURIComponent(`${POLICY}=${address}`)}`)).body.remaining

const startEnvoy = async (edit?: (config: Document) => void) => {
  envoy = await Envoy.start({ grpcPorts: [service.grpcPort], ...(edit && { edit }) })
}

describeWithEnvoy('the address that the real Envoy counts', () => {
  beforeAll(async () => {
    // With one process, a change is obeyed as soon as it is reported as applied.
    service = await Service.start({ env: { WEB_CONCURRENCY: '1', GRPC_PORT: '0', REDIS_TIMEOUT_MS: '4000' } })
    client = new Client(service.url)
    await client.put(POLICY, TWO)
  })
  afterEach(async () => {
    await envoy?.stop()
    envoy = undefined
  })
  afterAll(() => service.stop())

  it('is that of the connection, whatever addresses a client claims to have', async () => {
    await startEnvoy()
    const forged = ['198.51.100.1', '198.51.100.2', '198.51.100.3', '198.51.100.1, 198.51.100.4']
    expect(await statusesFrom(...forged)).toEqual([200, 200, 429, 429])
    expect(await remainingOf('127.0.0.1')).toBe(0)
    expect(await remainingOf('198.51.100.1')).toBe(2)
  })

  it('is the last one that the trusted proxies have added', async () => {
    await startEnvoy(behindOneProxy)
    const forged = ['203.0.113.1', '198.51.100.1, 203.0.113.1', '198.51.100.2, 203.0.113.1']
    expect(await statusesFrom(...forged)).toEqual([200, 200, 429])
    expect(await statusFrom('203.0.113.2')).toBe(200)
    expect(await remainingOf('198.51.100.1')).toBe(2)
  })
})

/** As behind one trusted proxy, whose part the test takes. */
function behindOneProxy(config: Document): void {
  config.setIn([...CONNECTION_MANAGER, 'xff_num_trusted_hops'], 1)
}
