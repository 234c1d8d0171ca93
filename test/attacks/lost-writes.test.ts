import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { SentinelSet } from '../support/sentinel-set.ts'
import { Service } from '../support/service.ts'

const KEYS = Array.from({ length: 40 }, (_, i) => `kept-${i}`)
const NEW_KEYS = KEYS.map(key => `new-${key}`)
/** More than the buffers of a connection hold, so that the master disconnects the replica. */
const BACKLOG_BYTES = 64 * 1024 * 1024
/** Checks of each key, enough that every process is asked. */
const ASKED = 8

describeLongWithRedis('a replica that lost writes and takes over', () => {
  let sentinels: SentinelSet
  let service: Service
  let client: Client
  beforeAll(async () => {
    sentinels = await SentinelSet.start()
    service = await Service.start({ env: { REDIS_URL: sentinels.url, WEB_CONCURRENCY: '3' } })
    client = new Client(service.url)
  }, 60_000)
  afterAll(async () => {
    await service.stop()
    await sentinels.stop()
  }, 30_000)

  async function putAll(keys: readonly string[], capacity: number): Promise<void> {
    for (const key of keys) expect((await client.put(key, { capacity, refillTokens: 1 })).status).toBeLessThan(202)
  }

  /** Makes the master disconnect the replica, which gets no later writes. */
  async function giveUpReplica(): Promise<void> {
    const master = new Redis(sentinels.master.url)
    sentinels.replica.signal('SIGSTOP')
    await master.config('SET', 'client-output-buffer-limit', 'replica 1mb 1mb 1')
    await master.set('backlog', Buffer.alloc(BACKLOG_BYTES))
    await eventually(async () => expect(await master.info('replication')).toContain('connected_slaves:0'), 10_000)
    master.disconnect()
  }

  async function failOver(): Promise<void> {
    await sentinels.master.kill()
    sentinels.replica.signal('SIGCONT')
    const replica = new Redis(sentinels.replica.url)
    await eventually(async () => expect(await replica.role()).toContain('master'), 30_000)
    replica.disconnect()
  }

  /** Expects that every process decides by the policy in the store. */
  async function expectObeyed(key: string): Promise<void> {
    const stored = await client.get(`/config/${key}`)
    const decided = await Promise.all(
      Array.from({ length: ASKED }, () =>
        client.request('POST', '/check', { key, tokens: 0 }, { connection: 'close' }).then(({ body }) => body),
      ),
    )
    for (const { policyVersion, limit } of decided) {
      expect([policyVersion, limit]).toEqual(
        stored.status === 404 ? [0, 100] : [stored.body.version, stored.body.limits[0].capacity],
      )
    }
  }

  it('is obeyed by every process: lost changes are forgotten, and later ones continue its versions', async () => {
    await putAll(KEYS, 1_001)
    const master = new Redis(sentinels.master.url)
    await master.wait(1, 5_000)
    master.disconnect()
    await giveUpReplica()
    await putAll(KEYS, 2_002)
    await putAll(NEW_KEYS, 3_003)
    await failOver()

    await eventually(async () => {
      expect((await client.get('/config/kept-0')).body).toMatchObject({ version: 1, limits: [{ capacity: 1_001 }] })
      expect((await client.get('/config/new-kept-0')).status).toBe(404)
    }, 20_000)
    for (const key of [...KEYS, ...NEW_KEYS]) await eventually(() => expectObeyed(key), 10_000)
    expect(service.output.filter(line => line.includes('the log was replaced'))).not.toEqual([])

    await eventually(() => putAll(['probe'], 1), 20_000)
    await putAll(KEYS, 4_004)
    for (const key of KEYS) {
      await eventually(() => expectObeyed(key), 10_000)
      const { events } = (await client.get(`/config/${key}/history`)).body
      expect(events.map(({ version }: { version: number }) => version)).toEqual([1, 2])
    }
    expect((await runThrottler(['verify'], { REDIS_URL: sentinels.url })).code).toBe(0)
  }, 120_000)
})
