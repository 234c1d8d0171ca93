import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { Document } from 'yaml'
import { Client } from '../support/client.ts'
import { CONNECTION_MANAGER, Envoy } from '../support/envoy.ts'
import { envoyPolicyKey, recipePolicyKey, withIstioParts } from '../support/envoy-recipes.ts'
import { describeWithEnvoy } from '../support/programs.ts'
import { Service } from '../support/service.ts'

type Edit = (config: Document) => void

const CONFIGURATIONS: readonly [string, { policy: string; edit: Edit }][] = [
  ['the page on protocols', { policy: envoyPolicyKey(), edit: () => {} }],
  ['the recipe for Istio', { policy: recipePolicyKey('istio'), edit: withIstioParts }],
]
const TWO = { capacity: 2, refillTokens: 1, refillIntervalMs: 86_400_000 }

describeWithEnvoy('the address that the real Envoy counts', () => {
  let service: Service
  let client: Client
  let envoy: Envoy
  beforeAll(async () => {
    // With one process, a change is obeyed as soon as it is reported as applied.
    service = await Service.start({ env: { WEB_CONCURRENCY: '1', GRPC_PORT: '0', REDIS_TIMEOUT_MS: '4000' } })
    client = new Client(service.url)
  })
  afterEach(() => envoy.stop())
  afterAll(() => service.stop())

  const startEnvoy = async (edit: Edit) => {
    envoy = await Envoy.start({ grpcPorts: [service.grpcPort], edit })
  }

  /** The statuses of requests, one after the other, that claim to come from these addresses. */
  const statusesFrom = async (...forwardedFor: string[]): Promise<number[]> => {
    const statuses: number[] = []
    for (const addresses of forwardedFor) {
      statuses.push((await fetch(envoy.url, { headers: { 'x-forwarded-for': addresses } })).status)
    }
    return statuses
  }

  describe.each(CONFIGURATIONS)('as configured in %s', (_name, { policy, edit }) => {
    const remainingOf = async (network: string): Promise<number> =>
      (await client.get(`/buckets/${encodeURIComponent(`${policy}=${network}`)}`)).body.remaining

    beforeAll(() => client.put(policy, TWO))

    it('is that of the connection, whatever addresses a client claims to have', async () => {
      await startEnvoy(edit)
      const forged = ['198.51.100.1', '198.51.100.2', '2001:db8::1', '198.51.100.1, 198.51.100.4']
      expect(await statusesFrom(...forged)).toEqual([200, 200, 429, 429])
      expect(await remainingOf('127.0.0.1/32')).toBe(0)
      expect(await remainingOf('198.51.100.1/32')).toBe(2)
    })

    it('is the last one that the trusted proxies have added', async () => {
      await startEnvoy(behindOneProxy(edit))
      const forged = ['203.0.113.1', '198.51.100.1, 203.0.113.1', '198.51.100.2, 203.0.113.1']
      expect(await statusesFrom(...forged)).toEqual([200, 200, 429])
      expect(await statusesFrom('203.0.113.2')).toEqual([200])
      expect(await remainingOf('198.51.100.1/32')).toBe(2)
    })

    it('is the /64 of an IPv6 address', async () => {
      await startEnvoy(behindOneProxy(edit))
      const ofOneSubscriber = ['2001:db8:9::1', '2001:db8:9:0:ffff:ffff:ffff:ffff', '2001:db8:9::2']
      expect(await statusesFrom(...ofOneSubscriber)).toEqual([200, 200, 429])
      expect(await remainingOf('2001:db8:9::/64')).toBe(0)
      expect(await statusesFrom('2001:db8:9:1::1')).toEqual([200])
    })

    it('has the policies that are stored for its network', async () => {
      await client.put(`${policy}=2001:db8:a:b::/64`, { mode: 'block' })
      await client.put(`${policy}=2001:db8:c:*`, { mode: 'off' })
      await startEnvoy(behindOneProxy(edit))
      expect(await statusesFrom('2001:db8:a:b:c::1', '2001:db8:a:c::1')).toEqual([429, 200])
      expect(await statusesFrom(...Array<string>(3).fill('2001:db8:c:1::1'))).toEqual([200, 200, 200])
    })
  })
})

/** The same configuration behind one trusted proxy, whose part the test takes. */
function behindOneProxy(edit: Edit): Edit {
  return config => {
    edit(config)
    config.setIn([...CONNECTION_MANAGER, 'xff_num_trusted_hops'], 1)
  }
}
