import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { Envoy } from '../support/envoy.ts'
import { eventually } from '../support/eventually.ts'
import { describeWithEnvoy } from '../support/programs.ts'
import { Service } from '../support/service.ts'

const POLICY = 'rls;edge;remote_address'
const ENDLESS = { capacity: 1_000_000, refillTokens: 1_000_000 }
const CALLERS = 8

/** Asks all the time, until it is stopped. */
function askContinually(url: string): { stop(): Promise<number> } {
  let isStopped = false
  let answers = 0
  const callers = Array.from({ length: CALLERS }, async () => {
    while (!isStopped) {
      await (await fetch(url)).text()
      answers++
      await sleep(2)
    }
  })
  return {
    stop: async () => {
      isStopped = true
      await Promise.all(callers)
      return answers
    },
  }
}

describeWithEnvoy('the real Envoy', () => {
  let service: Service
  let client: Client
  let envoy: Envoy
  const statuses = async (count: number) => {
    const answers: number[] = []
    for (let i = 0; i < count; i++) answers.push((await fetch(envoy.url)).status)
    return answers
  }
  beforeAll(async () => {
    service = await Service.start({ env: { GRPC_PORT: '0', REDIS_TIMEOUT_MS: '5000', RATELIMIT_HEADERS: 'both' } })
    client = new Client(service.url)
    envoy = await Envoy.start([service.grpcPort])
  }, 60_000)
  afterAll(async () => {
    await envoy.stop()
    await service.stop()
  }, 60_000)

  it('lets requests pass without a policy, and obeys one within a second', async () => {
    expect(await statuses(5)).toEqual([200, 200, 200, 200, 200])
    await client.put(POLICY, { capacity: 2, refillTokens: 1, refillIntervalMs: 86_400_000 })
    await eventually(async () => expect((await fetch(envoy.url)).status).toBe(429), 1_000)
  })

  it('passes as many requests as the limit allows, and answers the next with 429 and its fields', async () => {
    await client.request('DELETE', '/buckets/rls%3Bedge%3Bremote_address%3D127.0.0.1')
    await eventually(async () => expect((await fetch(envoy.url)).status).toBe(200), 1_000)
    expect(await statuses(2)).toEqual([200, 429])
    const { status, headers } = await fetch(envoy.url)
    expect({ status, ...Object.fromEntries(headers) }).toMatchObject({
      status: 429,
      'x-envoy-ratelimited': 'true',
      'retry-after': expect.stringMatching(/^\d+$/),
      ratelimit: expect.stringMatching(/^"default";r=0;t=\d+$/),
      'x-ratelimit-limit': '2',
    })
  })

  it('obeys a policy for one address before that for any, and the modes', async () => {
    await client.put(`${POLICY}=127.0.0.1`, { mode: 'off' })
    await eventually(async () => expect(await statuses(3)).toEqual([200, 200, 200]), 1_000)
    await client.put(`${POLICY}=127.0.0.1`, { mode: 'block' })
    await eventually(async () => expect((await fetch(envoy.url)).status).toBe(429), 1_000)
    await client.put(`${POLICY}=127.0.0.1`, ENDLESS)
    await eventually(async () => expect((await fetch(envoy.url)).status).toBe(200), 1_000)
  })

  it('sees no error while all front processes are replaced under load', async () => {
    const before = await envoy.counts()
    const callers = askContinually(envoy.url)
    const replaced = service.says(/all front processes are replaced/)
    service.process.kill('SIGHUP')
    await replaced
    const answers = await callers.stop()
    const after = await envoy.counts()
    expect(answers).toBeGreaterThan(100)
    expect(after['ok']).toBeGreaterThan((before['ok'] ?? 0) + 100)
    expect(after['error'] ?? 0).toBe(before['error'] ?? 0)
  }, 60_000)
})
