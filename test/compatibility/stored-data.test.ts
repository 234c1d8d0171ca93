import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import {
  AS_OPS,
  historyOf,
  RECORDED_ENV,
  recordedAnswers,
  recordedBuckets,
  recordedStore,
} from '../support/release-data.ts'
import { Service } from '../support/service.ts'
import { restoreBucket, restoreKeys } from '../support/stored-keys.ts'

const ANSWERS = recordedAnswers()
const WAIT = { prefer: 'wait=60' }

describeWithRedis('with the data that release 0.1.0 wrote to Redis', () => {
  let redis: RedisServer
  let admin: Redis
  let api: Service
  let client: Client

  beforeAll(async () => {
    redis = await RedisServer.start()
    admin = new Redis(redis.url)
    await restoreKeys(admin, recordedStore())
    api = await Service.start({ kind: 'api', env: { ...RECORDED_ENV, REDIS_URL: redis.url } })
    client = new Client(api.url, AS_OPS)
  })
  afterAll(async () => {
    await api?.stop()
    admin?.disconnect()
    await redis?.stop()
  })

  const throttler = (...args: string[]) => runThrottler(args, { REDIS_URL: redis.url })

  it.each(recordedBuckets().map(bucket => [bucket.holds, bucket] as const))(
    'a bucket decides as in that release: %s',
    async (_, bucket) => {
      await restoreBucket(admin, bucket)
      for (const { tokens, status, decision } of bucket.checks) {
        const answer = await client.check(bucket.key, tokens)
        expect([answer.status, answer.body]).toEqual([status, expect.objectContaining(aboutNow(decision) as object)])
        expect(answer.body).not.toHaveProperty('degraded')
      }
    },
  )

  it('the list, the export and every history are the same', async () => {
    expect((await client.get('/config?limit=1000')).body.items).toEqual(ANSWERS.list)
    expect((await client.get('/config/export')).text.trimEnd().split('\n')).toEqual(ANSWERS.export)
    for (const [key, events] of Object.entries(ANSWERS.histories)) expect(await historyOf(client, key)).toEqual(events)
  })

  it('a version is found unless it was compacted', async () => {
    for (const { version, policy } of ANSWERS.histories['rolled:*'] ?? [])
      expect((await client.get(`/config/rolled%3A*?version=${version}`)).body).toMatchObject({ version, ...policy })
    expect((await client.get('/config/compacted%3A*?version=1')).body.code).toBe('version-not-found')
  })

  it('commands have the same results', async () => {
    for (const { error, ...command } of ANSWERS.commands) {
      const { body } = await client.get(`/commands/${command.id}`)
      expect(body).toMatchObject({ ...command, ...(error !== undefined && { error: { code: error.code } }) })
    }
  })

  it('a request can be repeated under its Idempotency-Key, and another is refused under it', async () => {
    const { request, status, body } = ANSWERS.repeated
    const send = (body: object) => client.request(request.method, request.path, body, request.headers)
    const answer = await send(request.body)
    expect([answer.status, answer.body]).toEqual([status, body])
    expect((await send({ ...request.body, capacity: 6 })).body.code).toBe('idempotency-key-reused')
  })

  it('the log and the projection agree', async () => {
    expect(await throttler('verify')).toMatchObject({ code: 0, output: expect.stringContaining('"clean":true') })
  })

  describe('with a worker', () => {
    let worker: Service

    beforeAll(async () => {
      worker = await Service.start({ kind: 'worker', env: { ...RECORDED_ENV, REDIS_URL: redis.url } })
    })
    afterAll(() => worker?.stop())

    it('a command that was queued is applied', async () => {
      const queued = ANSWERS.commands.find(({ status }) => status === 'queued')
      await eventually(async () => {
        const { body } = await client.get(`/commands/${queued?.id}`)
        expect(body).toMatchObject({ status: 'applied', key: 'waiting', version: 1 })
      })
      expect(await historyOf(client, 'waiting')).toEqual([
        expect.objectContaining({ actor: 'eve', reason: 'accepted before the upgrade' }),
      ])
    })

    it('the export of that release can be imported, and changes nothing', async () => {
      const headers = { ...WAIT, 'content-type': 'application/x-ndjson' }
      const { body } = await client.request('POST', '/config/import', ANSWERS.export.join('\n'), headers)
      const unchanged = ANSWERS.export.length
      expect(body).toMatchObject({ status: 'applied', created: 0, changed: 0, unchanged })
    })

    it('versions continue, whether earlier ones were compacted, deleted or imported', async () => {
      for (const key of ['compacted:*', 'again', 'gone', 'compacted-and-gone', 'imported:1']) {
        const last = ANSWERS.histories[key]?.at(-1)?.version ?? Number.NaN
        expect((await client.put(key, { capacity: 77, refillTokens: 1 })).body.version).toBe(last + 1)
      }
    })

    it('a policy can be rolled back to one of its versions', async () => {
      const { body } = await client.request('POST', '/config/rolled%3A*/rollback', { version: 2 }, WAIT)
      expect(body).toMatchObject({ version: 4, limits: [{ capacity: 2 }] })
    })

    it('the log and the projection agree, also after compaction', async () => {
      expect((await throttler('verify')).code).toBe(0)
      expect((await throttler('compact', '--keep', '2')).code).toBe(0)
      expect((await throttler('verify')).code).toBe(0)
    })
  })
})

/** A decision whose times may differ by less than 50 s. */
function aboutNow(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(aboutNow)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const isTime = name.endsWith('AfterMs') && member > 0
      return [name, isTime ? expect.closeTo(member, -5) : aboutNow(member)]
    }),
  )
}
