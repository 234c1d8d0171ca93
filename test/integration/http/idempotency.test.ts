import { describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { TestApp } from '../../support/app.ts'
import type { Answer } from '../../support/client.ts'
import { eventually } from '../../support/eventually.ts'
import { StoreChanges } from '../../support/store-changes.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const named = (key: string, more: Record<string, string> = {}) => ({ 'idempotency-key': key, ...more })
const client = () => given.app.client
const eventsOf = async (key: string) => (await client().get(`/config/${key}/history`)).body.events

describe('fifty requests at once with one Idempotency-Key', () => {
  it('are one command: one id, one event', async () => {
    const ask = () => client().request('PUT', '/config/fifty', policy(1), named('fifty'))
    const answers = await Promise.all(Array.from({ length: 50 }, ask))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    const ids = new Set(answers.map(({ body }) => body.commandId))
    expect(ids.size).toBe(1)
    await eventually(async () => expect(await eventsOf('fifty')).toHaveLength(1))
    expect([...ids]).toEqual([(await eventsOf('fifty'))[0].commandId])
  })

  it('all get its outcome when they wait for it', async () => {
    const ask = () => client().put('waiting', policy(1), named('waiting'))
    const answers = await Promise.all(Array.from({ length: 50 }, ask))
    expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.get('etag')}`))).toEqual(
      new Set(['201 "1"']),
    )
    expect(await eventsOf('waiting')).toHaveLength(1)
  })
})

describe('a repetition', () => {
  it('gets the first outcome, even after later changes', async () => {
    const first = await client().put('again', policy(1), named('again'))
    await client().put('again', policy(2))
    const second = await client().put('again', policy(1), named('again'))
    expect([second.status, second.body]).toEqual([first.status, first.body])
    expect((await client().get('/config/again')).body.version).toBe(2)
  })

  it('gets the first rejection', async () => {
    const ask = () => client().put('refused', policy(1), named('refused', { 'if-match': '"7"' }))
    expectProblem(await ask(), 412, 'version-conflict')
    for (const capacity of [1, 2, 3, 4, 5, 6, 7]) await client().put('refused', policy(capacity))
    expectProblem(await ask(), 412, 'version-conflict')
  })

  it('that does not wait is accepted under the same id', async () => {
    const ask = () => client().request('DELETE', '/config/again', undefined, named('deletion'))
    const [first, second] = [await ask(), await ask()]
    expect([second.status, second.body]).toEqual([202, first.body])
  })

  it('gets the first outcome without the policy if its version was compacted since', async () => {
    const app = await TestApp.start(given.store, { variables: { KEY_PREFIX: 'throttler' } })
    const redis = new Redis(given.store.url)
    try {
      const ask = (key: string) => app.client.put('old', policy(1), named(key))
      const firsts = [await ask('created'), await ask('unchanged')]
      expect(firsts.map(({ status }) => status)).toEqual([201, 200])
      await app.client.put('old', policy(2))
      await new StoreChanges(redis).compact(configPartition('old'), 2)
      expectProblem(await app.client.get('/config/old?version=1'), 404, 'version-not-found')
      const repeated = [await ask('created'), await ask('unchanged')]
      expect(repeated.map(({ status }) => status)).toEqual([201, 200])
      for (const { body, headers } of repeated) {
        const { id, ...outcome } = (await app.client.get(`/commands/${body.commandId}`)).body
        expect(body).toEqual({ commandId: id, ...outcome })
        expect(outcome).toEqual({ status: 'applied', key: 'old', version: 1 })
        expect(headers.get('etag')).toBe('"1"')
      }
    } finally {
      redis.disconnect()
      await app.close()
    }
  })

  it('may be written differently if it requests the same change', async () => {
    const long = { limits: [{ name: 'default', refillIntervalMs: 1000, ...policy(5) }], mode: 'enforce' }
    const first = await client().put('form', policy(5), named('form', { 'x-change-reason': 'one' }))
    const second = await client().put('form', long, named('form', { 'x-change-reason': 'two' }))
    expect([second.status, second.body]).toEqual([201, first.body])
  })

  it('of an import is the same import', async () => {
    const lines = `${JSON.stringify({ key: 'imported:a', ...policy(1) })}\n`
    const ask = () =>
      client().request('POST', '/config/import', lines, {
        ...named('import', { prefer: 'wait=60' }),
        'content-type': 'application/x-ndjson',
      })
    const answers = await Promise.all([ask(), ask(), ask()])
    const repeated = await ask()
    for (const answer of answers) expect([answer.status, answer.body]).toEqual([200, repeated.body])
    expect(repeated.body).toMatchObject({ status: 'applied', created: 1, changed: 0, unchanged: 0 })
  })
})

describe('an Idempotency-Key that belongs to another request is 422 at once:', () => {
  const refusals: [string, () => Promise<Answer>][] = [
    ['another body', () => client().put('one', policy(2), named('taken'))],
    ['another key', () => client().put('two', policy(1), named('taken'))],
    ['another method', () => client().delete('one', named('taken'))],
    ['other conditions', () => client().put('one', policy(1), named('taken', { 'if-match': '*' }))],
    ['no wait', () => client().request('PUT', '/config/one', policy(2), named('taken'))],
    ['a rollback', () => client().request('POST', '/config/one/rollback', { version: 1 }, named('taken'))],
    [
      'an import',
      () =>
        client().request('POST', '/config/import', '', { 'content-type': 'application/x-ndjson', ...named('taken') }),
    ],
  ]
  it.each(refusals)('%s', async (_, ask) => {
    await client().put('one', policy(1), named('taken'))
    expectProblem(await ask(), 422, 'idempotency-key-reused')
    expect((await client().get('/config/one')).body.version).toBe(1)
  })

  it('but not if it belongs to another actor', async () => {
    const app = await TestApp.start(given.store, {
      variables: { ADMIN_TOKENS: 'a:secret-of-actor-a,b:secret-of-actor-b' },
    })
    try {
      const as = (token: string) => app.as({ authorization: `Bearer ${token}` })
      expect((await as('secret-of-actor-a').put('x', policy(1), named('k'))).status).toBe(201)
      expect((await as('secret-of-actor-b').put('y', policy(2), named('k'))).status).toBe(201)
    } finally {
      await app.close()
    }
  })
})

describe('an Idempotency-Key', () => {
  it.each(['', 'with space', 'ü', 'x'.repeat(256)])('%j is refused', async key => {
    const answer = await client().put('bad', policy(1), { 'idempotency-key': Buffer.from(key).toString('latin1') })
    expectFields(answer, 'validation-failed', ['/headers/idempotency-key'])
    expect(answer.body.detail).toContain('1 to 255 visible ASCII characters are allowed')
    expectProblem(await client().get('/config/bad'), 404, 'policy-not-found')
  })

  it.each(['x', '"0d6a-4c:{}"', '~'.repeat(255)])('%j is accepted', async key => {
    expect((await client().put(`good ${key.length}`, policy(1), named(key))).status).toBe(201)
  })

  it('lets a repetition queue a command that was accepted but never queued', async () => {
    const app = await TestApp.start(given.store, { variables: { KEY_PREFIX: 'unqueued' }, worker: false })
    const redis = new Redis(given.store.url)
    try {
      const ask = () => app.client.request('PUT', '/config/k', policy(1), named('crash'))
      const first = await ask()
      // As if the process had died after it claimed the key and before it queued the command.
      const jobs = await redis.keys(`{unqueued:config-*}:config-*`)
      await redis.del(...jobs)
      expectProblem(await app.client.get(`/commands/${first.body.commandId}`), 404, 'command-not-found')
      expect((await ask()).body).toEqual(first.body)
      await app.startWorker()
      await eventually(async () => expect((await app.client.get('/config/k')).body.version).toBe(1))
    } finally {
      redis.disconnect()
      await app.close()
    }
  })

  it('lets a repetition queue a command that Redis denied to be queued in full', async () => {
    const app = await TestApp.start(given.store, {
      variables: { KEY_PREFIX: 'denied', LOG_LEVEL: 'silent' },
      worker: false,
    })
    const redis = new Redis(given.store.url)
    try {
      const ask = () => app.client.request('PUT', '/config/k', policy(1), named('denied'))
      await redis.acl('SETUSER', 'default', '-xadd')
      expect((await ask()).status).toBeGreaterThanOrEqual(500)
      await redis.acl('SETUSER', 'default', '+xadd')
      expect((await ask()).status).toBe(202)
      expect((await ask()).status).toBe(202)
      await app.startWorker()
      await eventually(async () => expect((await app.client.get('/config/k')).body.version).toBe(1))
    } finally {
      await redis.acl('SETUSER', 'default', '+@all')
      redis.disconnect()
      await app.close()
    }
  })

  it('is free again, and its outcome forgotten, COMMAND_RETENTION_MS after the end of its command', async () => {
    const app = await TestApp.start(given.store, { variables: { COMMAND_RETENTION_MS: '5000' } })
    try {
      const first = await app.client.request('PUT', '/config/k', policy(1), named('k'))
      await eventually(async () => expect((await app.client.get('/config/k')).status).toBe(200))
      expectProblem(await app.client.put('k', policy(2), named('k')), 422, 'idempotency-key-reused')
      const gone = () => app.client.get(`/commands/${first.body.commandId}`)
      await eventually(async () => expectProblem(await gone(), 404, 'command-not-found'))
      await eventually(async () => expect((await app.client.put('k', policy(2), named('k'))).status).toBe(200))
    } finally {
      await app.close()
    }
  })

  it('is free again COMMAND_RETENTION_MS after its command failed, too', async () => {
    const variables = { KEY_PREFIX: 'failing', COMMAND_RETENTION_MS: '5000', LOG_LEVEL: 'silent' }
    const app = await TestApp.start(given.store, { variables })
    const redis = new Redis(given.store.url)
    try {
      const versions = new ConfigKeys('failing', configPartition('k')).versions('k')
      const ask = () => app.client.put('k', policy(1), named('k'))
      await redis.set(versions, 'of another type')
      expectProblem(await ask(), 500, 'internal')
      await redis.del(versions)
      await eventually(async () => expect((await ask()).status).toBe(201))
    } finally {
      redis.disconnect()
      await app.close()
    }
  })
})
