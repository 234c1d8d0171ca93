import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Document } from 'yaml'
import { Client } from '../support/client.ts'
import { Envoy, SERVICE_CLUSTER } from '../support/envoy.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { describeWithEnvoy } from '../support/programs.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const POLICY = 'rls;edge;masked_remote_address'
const SLOW = { refillTokens: 1, refillIntervalMs: 86_400_000 }
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
  let redis: RedisServer
  let service: Service
  let client: Client
  let envoy: Envoy
  /** Where a second instance may listen. */
  let secondPort: number
  const statusOf = async (headers: Record<string, string> = {}, url = envoy.url) =>
    (await fetch(url, { headers })).status
  const statuses = async (count: number, headers: Record<string, string> = {}) => {
    const answers: number[] = []
    for (let i = 0; i < count; i++) answers.push(await statusOf(headers))
    return answers
  }
  beforeAll(async () => {
    redis = await RedisServer.start()
    const env = { REDIS_URL: redis.url, GRPC_PORT: '0', RATELIMIT_HEADERS: 'both' }
    service = await Service.start({ isPatient: true, env })
    client = new Client(service.url)
    secondPort = await freePort()
    const edit = (config: Document) => config.setIn([...SERVICE_CLUSTER, 'health_checks', 0, 'timeout'], '10s')
    envoy = await Envoy.start({ grpcPorts: [service.grpcPort, secondPort], edit })
  })
  afterAll(async () => {
    await envoy.stop()
    await service.stop()
    await redis.stop()
  })

  it('lets requests pass without a policy, and obeys one', async () => {
    expect(await statuses(5)).toEqual([200, 200, 200, 200, 200])
    await client.put(POLICY, { capacity: 2, ...SLOW })
    await eventually(async () => expect(await statusOf()).toBe(429))
  })

  it('passes as many requests as the limit allows, and answers the next with 429 and its fields', async () => {
    await client.request('DELETE', '/buckets/rls%3Bedge%3Bmasked_remote_address%3D127.0.0.1%2F32')
    await eventually(async () => expect(await statusOf()).toBe(200))
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
    await client.put(`${POLICY}=127.0.0.1/32`, { mode: 'off' })
    await eventually(async () => expect(await statuses(3)).toEqual([200, 200, 200]))
    await client.put(`${POLICY}=127.0.0.1/32`, { mode: 'block' })
    await eventually(async () => expect(await statusOf()).toBe(429))
    await client.put(`${POLICY}=127.0.0.1/32`, { capacity: 1, ...SLOW, mode: 'shadow' })
    await eventually(async () => expect(await statuses(3)).toEqual([200, 200, 200]))
    await client.put(`${POLICY}=127.0.0.1/32`, ENDLESS)
    await eventually(async () => expect(await statuses(3)).toEqual([200, 200, 200]))
  })

  it('decides descriptors of two entries by their policy, and others not', async () => {
    await client.put('rls;edge;plan;masked_remote_address', { mode: 'block' })
    await client.put('rls;edge;plan=gold;masked_remote_address', { capacity: 2, ...SLOW })
    await eventually(async () => expect(await statusOf({ 'x-plan': 'free' })).toBe(429))
    await eventually(async () => expect(await statusOf({ 'x-plan': 'gold' })).toBe(200))
    expect(await statuses(2, { 'x-plan': 'gold' })).toEqual([200, 429])
    expect(await statusOf()).toBe(200)
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
  })

  it('sees no error when one of two instances stops under load', async () => {
    const env = { REDIS_URL: redis.url, GRPC_PORT: String(secondPort), WEB_CONCURRENCY: '1' }
    const second = await Service.start({ kind: 'api', isPatient: true, env })
    await eventually(async () => expect(await envoy.healthyInstances()).toBe(2))
    const { error = 0 } = await envoy.counts()
    const callers = askContinually(envoy.url)
    await eventually(async () => expect(await grpcCallsOf(second)).toBeGreaterThan(50))
    expect(await second.stop()).toBe(0)
    await eventually(async () => expect(await envoy.healthyInstances()).toBe(1))
    await callers.stop()
    expect((await envoy.counts())['error'] ?? 0).toBe(error)
  })

  it('gets the answers of the policies when the bucket store is killed, and fails as it is told where they deny', async () => {
    const onFailure = (onStoreFailure: string) => ({ capacity: 1, ...SLOW, onStoreFailure })
    for (const mode of ['allow', 'deny', 'local'])
      await client.put(`rls;edge;plan=${mode};masked_remote_address`, onFailure(mode))
    for (const mode of ['allow', 'deny', 'local']) {
      await eventually(async () => expect(await statusOf({ 'x-plan': mode })).toBe(429))
    }
    await redis.kill()
    // Until then, a process remembers the denial.
    await eventually(async () => expect(await statuses(3, { 'x-plan': 'allow' })).toEqual([200, 200, 200]))
    // Each process has its share, a whole token at least.
    await eventually(async () => expect(await statuses(3, { 'x-plan': 'local' })).toEqual([429, 429, 429]))
    await eventually(async () => expect(await statusOf({ 'x-plan': 'deny' }, envoy.strictUrl)).toBe(500))
    const { error = 0, failure_mode_allowed: passed = 0 } = await envoy.counts()
    expect(await statusOf({ 'x-plan': 'deny' })).toBe(200)
    expect(await envoy.counts()).toMatchObject({ error: error + 1, failure_mode_allowed: passed + 1 })
  })
})

/** Calls of Envoy that an instance has answered. */
async function grpcCallsOf({ url }: Service): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^throttler_grpc_requests_total{method="ShouldRateLimit",status="OK"} (\d+)/m.exec(text)?.[1] ?? 0)
}
