import { beforeAll, describe, expect, it } from '@jest/globals'
import type { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { type ImportId, parseImportId, partIds } from '../../../src/domain/command-id.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import type { CommandJob } from '../../../src/queues/command-job.ts'
import { openQueue } from '../../../src/queues/command-queue.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { TestApp } from '../../support/app.ts'
import type { Client } from '../../support/client.ts'
import { eventually } from '../../support/eventually.ts'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const KEY_PREFIX = 'failures'
const given = givenApp({ variables: { KEY_PREFIX, LOG_LEVEL: 'silent' } })
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const client = (): Client => given.app.client
const tagOf = (key: string) => `{${KEY_PREFIX}:config-${configPartition(key)}}`
const status = async (id: string) => (await client().get(`/commands/${id}`)).body

let redis: Redis
beforeAll(() => {
  redis = new Redis(given.store.url)
  given.onEnd(async () => redis.disconnect())
})

/** Makes every command of the key fail until it is repaired: damages its policy, and makes its event one of a later release. */
async function damage(key: string): Promise<void> {
  const keys = new ConfigKeys(KEY_PREFIX, configPartition(key))
  await redis.zadd(keys.versions(key), 1, 999_999)
  await redis.hset(keys.snapshot, key, JSON.stringify({ position: 999_999, event: { schema: 3 } }))
  await redis.hset(keys.policies, key, 'not JSON')
}

/** Repairs the key. It is then at version 1, from before every event of the log, and has no policy. */
async function mend(key: string): Promise<void> {
  const keys = new ConfigKeys(KEY_PREFIX, configPartition(key))
  await redis.zrem(keys.versions(key), 999_999)
  await redis.zadd(keys.versions(key), 1, 0)
  await redis.hdel(keys.policies, key)
  await redis.hdel(keys.snapshot, key)
}

async function withQueue<T>(key: string, use: (queue: Queue<CommandJob>) => Promise<T>): Promise<T> {
  const queue = openQueue(redis, KEY_PREFIX, configPartition(key))
  try {
    return await use(queue)
  } finally {
    await queue.close()
  }
}
const retry = (key: string, id: string) => withQueue(key, async queue => (await queue.getJob(id))?.retry())

describe('a command that cannot be processed', () => {
  it('fails alone: its partition continues', async () => {
    await damage('poisoned')
    const answer = await client().put('poisoned', policy(1))
    expectProblem(answer, 500, 'internal')
    expect(answer.body.detail).not.toMatch(/schema/)
    const { commandId } = answer.body
    expect(await status(commandId)).toMatchObject({
      id: commandId,
      status: 'failed',
      key: 'poisoned',
      error: { code: 'internal', status: 500, commandId },
    })
    const neighbour = Array.from({ length: 50 }, (_, i) => `n${i}`).find(key => tagOf(key) === tagOf('poisoned')) ?? ''
    expect((await client().put(neighbour, policy(1))).status).toBe(201)
  })

  it('stays in the queue with its reason', async () => {
    const failed = await withQueue('poisoned', queue => queue.getFailed())
    expect(failed.map(({ failedReason }) => failedReason)).toEqual([expect.stringContaining('schema')])
  })

  it('fails for its repetitions too', async () => {
    await damage('repeated')
    const ask = () => client().put('repeated', policy(1), { 'idempotency-key': 'repeated' })
    const [first, second] = [await ask(), await ask()]
    expectProblem(second, 500, 'internal')
    expect(second.body.commandId).toBe(first.body.commandId)
  })

  it('is applied when an operator retries it and its key has not changed', async () => {
    await damage('mended')
    const { commandId } = (await client().put('mended', policy(1))).body
    await retry('mended', commandId)
    await eventually(async () => expect(await status(commandId)).toMatchObject({ status: 'failed' }))
    await mend('mended')
    await retry('mended', commandId)
    await eventually(async () => expect(await status(commandId)).toMatchObject({ status: 'applied', version: 2 }))
    expect((await client().get('/config/mended')).body.version).toBe(2)
  })

  it('is rejected when it is retried after its key has changed', async () => {
    await damage('moved')
    const { commandId } = (await client().put('moved', policy(1))).body
    await mend('moved')
    await client().put('moved', policy(2))
    await retry('moved', commandId)
    await eventually(async () =>
      expect(await status(commandId)).toMatchObject({
        status: 'rejected',
        key: 'moved',
        error: { code: 'superseded', status: 409 },
      }),
    )
    expect((await client().get('/config/moved')).body).toMatchObject({ version: 2, limits: [{ capacity: 2 }] })
  })

  it('is rejected when it is retried after the record of its failure has expired', async () => {
    await damage('old')
    const { commandId } = (await client().put('old', policy(1))).body
    await mend('old')
    await redis.del(`${tagOf('old')}:failure:${commandId}`)
    await retry('old', commandId)
    await eventually(async () => expect(await status(commandId)).toMatchObject({ error: { code: 'superseded' } }))
    expectProblem(await client().get('/config/old'), 404, 'policy-not-found')
  })
})

describe('a part of an import that cannot be processed', () => {
  const importFile = (keys: readonly string[]) =>
    client().request('POST', '/config/import', keys.map(key => `${JSON.stringify({ key, ...policy(9) })}\n`).join(''), {
      'content-type': 'application/x-ndjson',
      prefer: 'wait=60',
    })
  const keys = Array.from({ length: 40 }, (_, i) => i)

  const failedImport = async (name: string) => {
    await damage(`${name}:7`)
    const answer = await importFile(keys.map(key => `${name}:${key}`))
    expectProblem(answer, 500, 'internal')
    expect(answer.body.commandId).toMatch(/^import-/)
    await mend(`${name}:7`)
    return answer.body.commandId as ImportId
  }
  const retryPart = (name: string, id: ImportId) =>
    retry(`${name}:7`, partIds(id)[configPartition(`${name}:7`)] as string)
  const inPartOf = (name: string) => keys.map(key => `${name}:${key}`).filter(key => tagOf(key) === tagOf(`${name}:7`))

  it('fails the import; once it is repaired and retried, the rest is applied', async () => {
    const id = await failedImport('import')
    const created = 40 - inPartOf('import').length
    expect(await status(id)).toMatchObject({ id, status: 'failed', created })
    const neighbour = Array.from({ length: 50 }, (_, i) => `m${i}`).find(key => tagOf(key) === tagOf('import:7')) ?? ''
    expect((await client().put(neighbour, policy(1))).status).toBe(201)
    await retryPart('import', id)
    const counts = { created: 40, changed: 0, unchanged: 0, deleted: 0 }
    await eventually(async () => expect(await status(id)).toEqual({ id, status: 'applied', ...counts }))
  })

  it('is rejected when it is retried after one of its keys has changed, and the other parts stay applied', async () => {
    const id = await failedImport('changed')
    const ofPart = inPartOf('changed')
    const changed = ofPart.at(-1) as string
    await client().put(changed, policy(2))
    await retryPart('changed', id)
    await eventually(async () =>
      expect(await status(id)).toMatchObject({
        ...{ id, status: 'rejected', created: 40 - ofPart.length, changed: 0, unchanged: 0, deleted: 0 },
        error: { code: 'superseded', detail: expect.stringContaining(`the policy "${changed}" was changed`) },
      }),
    )
    const { items } = (await client().get('/config?prefix=changed:')).body
    expect(items).toHaveLength(40 - ofPart.length + 1)
    expect((await client().get(`/config/${changed}`)).body).toMatchObject({ version: 1, limits: [{ capacity: 2 }] })
  })
})

describe('an import', () => {
  it('keeps the outcome of each part for as long as that of the last part that ended', async () => {
    await damage('late:7')
    const lines = Array.from({ length: 40 }, (_, i) => `${JSON.stringify({ key: `late:${i}`, ...policy(9) })}\n`)
    const fields = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    const { commandId } = (await client().request('POST', '/config/import', lines.join(''), fields)).body
    await new Promise(resolve => setTimeout(resolve, 1_000))
    await mend('late:7')
    const parts = partIds(parseImportId(commandId) as ImportId)
    await retry('late:7', parts[configPartition('late:7')] as string)
    await eventually(async () => expect(await status(commandId)).toMatchObject({ status: 'applied', created: 40 }))
    const outcomes = parts.map((id, partition) => new ConfigKeys(KEY_PREFIX, partition).outcome(id))
    await eventually(async () => {
      const ends = await Promise.all(outcomes.map(key => redis.pexpiretime(key)))
      expect(Math.max(...ends) - Math.min(...ends)).toBeLessThan(500)
    })
  })
})

describe('a job that is not a command of this service', () => {
  const put = { type: 'put', key: 'job', actor: 'me', policy: { limits: [], mode: 'enforce' } }
  const remove = { type: 'delete', key: 'job', actor: 'me' }
  const inexact = { name: 'a', capacity: 1e9, refillTokens: 7, refillIntervalMs: 2_678_399_999 }
  const elsewhere = Array.from({ length: 50 }, (_, i) => `o${i}`).find(key => tagOf(key) !== tagOf('job')) ?? ''
  const JOBS: [what: string, reason: RegExp, command: (id: string) => unknown, queuedAs?: string][] = [
    ['nothing', /its type is undefined/, () => undefined],
    ['an unknown type', /its type is "explode"/, id => ({ ...put, type: 'explode', id })],
    ['a type of every object', /its type is "constructor"/, id => ({ ...put, type: 'constructor', id })],
    ['an invalid policy', /\/policy\/limits: must have 1 to 8 items/, id => ({ ...put, id })],
    ['an inexact policy', /2\^53/, id => ({ ...put, id, policy: { ...put.policy, limits: [inexact] } })],
    ['an invalid key', /"\*" is allowed only at the end/, id => ({ ...remove, key: 'a*b', id })],
    ['a key of another partition', /belongs to another partition/, id => ({ ...remove, id }), elsewhere],
    ['the id of another', /its id is 0-other/, () => ({ ...remove, id: '0-other' })],
    ['an unknown member', /\/force: is unknown/, id => ({ ...remove, id, force: true })],
    [
      'a part of an invalid import',
      /it is not a part of import-x/,
      id => ({ type: 'import-part', importId: 'import-x', actor: 'me', id }),
    ],
  ]

  it.each(JOBS)('fails: %s', async (_, reason, command, queuedAs = 'job') => {
    const id = `${configPartition(queuedAs)}-${crypto.randomUUID()}`
    await withQueue(queuedAs, async queue => {
      const data = { command: command(id), requestId: 'r' } as unknown as CommandJob
      await queue.add('put', data, { jobId: id })
      await eventually(async () => expect(await status(id)).toMatchObject({ id, status: 'failed' }))
      const failedReason = (await queue.getJob(id))?.failedReason
      expect(failedReason).toMatch(/^the (?:job|policy of the job) is /)
      expect(failedReason).toMatch(reason)
    })
    expect((await client().put('job', policy(1))).status).toBeLessThan(300)
  })

  it('also fails if its data is not valid JSON, and its partition continues', async () => {
    await withQueue('job', async queue => {
      await queue.pause()
      const { commandId } = (await client().request('PUT', '/config/job', policy(1))).body
      await redis.hset(queue.toKey(commandId), 'data', 'no JSON')
      expect(await status(commandId)).toEqual({ id: commandId, status: 'queued' })
      await queue.resume()
      await eventually(async () => expect(await status(commandId)).toMatchObject({ status: 'failed' }))
      expect(await queue.getJob(commandId)).toMatchObject({
        data: 'no JSON',
        failedReason: expect.stringMatching(/its type is undefined/),
      })
    })
    expect((await client().put('job', policy(2))).status).toBeLessThan(300)
  })

  it('also fails if its id is not a command id', async () => {
    await withQueue('job', async queue => {
      await queue.add('x', {} as CommandJob, { jobId: 'whatever' })
      await eventually(async () =>
        expect((await queue.getJob('whatever'))?.failedReason).toBe(
          'the id of the job is "whatever", which is not a command id',
        ),
      )
    })
  })
})

describe('while the store has no memory left', () => {
  it('a worker that starts waits, and then applies the queued commands in order', async () => {
    const app = await TestApp.start(given.store, { worker: false })
    try {
      for (const capacity of [1, 2, 3]) await app.client.request('PUT', '/config/k', policy(capacity))
      await redis.config('SET', 'maxmemory', '1')
      const started = app.startWorker()
      await eventually(async () => expect(await redis.info('errorstats')).toContain('errorstat_OOM'))
      await redis.config('SET', 'maxmemory', '0')
      await started
      await eventually(async () => expect((await app.client.get('/config/k')).body).toMatchObject({ version: 3 }))
      expect((await app.client.get('/config/k')).body.limits[0].capacity).toBe(3)
    } finally {
      await redis.config('SET', 'maxmemory', '0')
      await app.close()
    }
  })
})
