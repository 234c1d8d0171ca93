import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { TestApp } from '../../support/app.ts'
import type { Client } from '../../support/client.ts'
import { eventually } from '../../support/eventually.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const HOUR_MS = 3_600_000
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const stored = (capacity: number) => ({
  limits: [{ name: 'default', capacity, refillTokens: 1, refillIntervalMs: 1_000 }],
  mode: 'enforce',
})
const line = (key: string, capacity: number, more: object = {}) =>
  `${JSON.stringify({ key, ...policy(capacity), ...more })}\n`
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()
const importInto = (client: Client, query: string, file: string, headers: Record<string, string> = {}) =>
  client.request('POST', `/config/import?${query}`, file, {
    'content-type': 'application/x-ndjson',
    prefer: 'wait=60',
    ...headers,
  })
const keysIn = async (client: Client): Promise<string[]> =>
  (await client.get('/config?limit=1000')).body.items.map(({ key }: { key: string }) => key)

async function withApp<T>(use: (app: TestApp) => Promise<T>, options: Parameters<typeof TestApp.start>[1] = {}) {
  const app = await TestApp.start(given.store, options)
  try {
    return await use(app)
  } finally {
    await app.close()
  }
}

async function putAll(client: Client, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) expect((await client.put(key, policy(1))).status).toBe(201)
}

describe('an import that prunes', () => {
  it('deletes the policies with the prefix that the file does not name, and no others', async () => {
    await withApp(async ({ client }) => {
      await putAll(client, 'user:*', 'user:1', 'user:2', 'user:3', 'users', 'other', '*')
      const headers = { 'x-change-reason': 'nightly' }
      const { status, body } = await importInto(
        client,
        'prune=user:',
        line('user:2', 1) + line('user:3', 7) + line('user:4', 1),
        headers,
      )
      const counts = { created: 1, changed: 1, unchanged: 1, deleted: 2 }
      expect([status, body]).toEqual([200, { commandId: body.commandId, status: 'applied', ...counts }])
      expect((await client.get(`/commands/${body.commandId}`)).body).toMatchObject(counts)
      expect(await keysIn(client)).toEqual(['*', 'other', 'user:2', 'user:3', 'user:4', 'users'])
      const { events } = (await client.get('/config/user:1/history')).body
      expect(events[1]).toMatchObject({ type: 'deleted', policy: null, reason: 'nightly', commandId: body.commandId })
      expect((await client.check('user:1', 0)).body).toMatchObject({ policy: '*' })
    })
  })

  it.each([
    ['user:', ['*', 'other', 'user:1']],
    ['user:*', ['*', 'other', 'user:1']],
    ['*', ['user:1']],
  ])('by %j deletes what its prefix contains', async (prefix, left) => {
    await withApp(async ({ client }) => {
      await putAll(client, 'user:1', 'user:2', 'other', '*')
      const { body } = await importInto(client, `prune=${encodeURIComponent(prefix)}`, line('user:1', 1))
      expect(body).toMatchObject({ unchanged: 1, deleted: 4 - left.length })
      expect(await keysIn(client)).toEqual(left)
    })
  })

  it('deletes more policies than one call applies, and nothing the second time', async () => {
    const redis = new Redis(given.store.url)
    await withApp(
      async ({ client }) => {
        const keys = Array.from({ length: 3_000 }, (_, i) => `key:${i}`)
        const fileOf = (names: readonly string[]) => names.map(key => line(key, 5)).join('')
        const kept = fileOf(keys.filter((_, i) => i % 3 === 0))
        expect((await importInto(client, 'prune=key:', fileOf(keys))).body).toMatchObject({
          created: 3_000,
          deleted: 0,
        })
        const pruned = { created: 0, changed: 0, unchanged: 1_000, deleted: 2_000 }
        expect((await importInto(client, 'prune=key:', kept)).body).toMatchObject(pruned)
        expect((await client.get('/config/export')).text.split('\n').toSorted().slice(1)).toHaveLength(1_000)
        const same = { created: 0, changed: 0, unchanged: 1_000, deleted: 0 }
        expect((await importInto(client, 'prune=key:', kept)).body).toMatchObject(same)
        expect((await importInto(client, 'prune=key:&dryRun=true', kept)).body).toEqual({ ...same, differences: [] })
        await eventually(async () => expect(await redis.keys('{pruned:config-*}:staged*')).toEqual([]))
      },
      { variables: { KEY_PREFIX: 'pruned' } },
    )
    redis.disconnect()
  })

  it('leaves a temporary policy in force until its end, after which nothing follows', async () => {
    await withApp(async ({ client }) => {
      await putAll(client, 'user:1', 'user:2')
      const expiresAt = inMs(HOUR_MS)
      await client.put('user:1', { ...policy(100), expiresAt })
      const pruned = { created: 0, changed: 1, unchanged: 1, deleted: 0 }
      expect((await importInto(client, 'prune=user:', line('user:2', 1))).body).toMatchObject(pruned)
      expect((await client.get('/config/user:1')).body).toMatchObject({ ...stored(100), expiresAt, then: null })
      const again = await importInto(client, 'prune=user:', line('user:2', 1))
      expect(again.body).toMatchObject({ created: 0, changed: 0, unchanged: 1, deleted: 0 })
      expect(
        (await client.get('/config/user:1/history')).body.events.map(({ type }: { type: string }) => type),
      ).toEqual(['created', 'changed', 'imported'])
    })
  })

  it('deletes the policy of a line that has ended and is followed by none', async () => {
    await withApp(async ({ client }) => {
      await putAll(client, 'user:1', 'user:2')
      const passed = { expiresAt: inMs(-HOUR_MS) }
      const file = line('user:1', 9, { ...passed, then: null }) + line('user:2', 9, { ...passed, then: policy(1) })
      const counts = { created: 0, changed: 0, unchanged: 1, deleted: 1 }
      expect((await importInto(client, 'prune=user:&dryRun=true', file)).body).toMatchObject(counts)
      expect((await importInto(client, 'prune=user:', file)).body).toMatchObject(counts)
      expect(await keysIn(client)).toEqual(['user:2'])
    })
  })

  it('is another request under an Idempotency-Key than one that does not prune, or prunes another prefix', async () => {
    await withApp(async ({ client }) => {
      await putAll(client, 'user:1', 'user:2')
      const headers = { 'idempotency-key': 'nightly' }
      const file = line('user:1', 1)
      const first = await importInto(client, 'prune=user:', file, headers)
      const repeated = await importInto(client, 'prune=user:*', file, headers)
      expect(repeated.body).toEqual(first.body)
      for (const query of ['', 'prune=user', 'prune=*']) {
        expectProblem(await importInto(client, query, file, headers), 422, 'idempotency-key-reused')
      }
    })
  })

  it('fails without harm if the names of its lines are gone', async () => {
    const redis = new Redis(given.store.url)
    await withApp(
      async app => {
        const { client } = app
        const { commandId } = (await importInto(client, 'prune=user:', line('user:1', 1), { prefer: '' })).body
        expect(await redis.del(...(await redis.keys('{nameless:config-*}:staged-names:*')))).toBe(4)
        await app.startWorker()
        await eventually(async () => {
          const { body } = await client.get(`/commands/${commandId}`)
          expect(body).toMatchObject({ status: 'failed', error: { code: 'internal' } })
          expect(body.error.detail).toContain('the policy store no longer has all lines of the import')
        })
        expect(await keysIn(client)).toEqual(['user:1'])
        for (const key of await redis.keys('{nameless:config-*}:staged*'))
          expect(await redis.pttl(key)).toBeGreaterThan(0)
      },
      { worker: false, variables: { KEY_PREFIX: 'nameless', LOG_LEVEL: 'silent' } },
    )
    redis.disconnect()
  })
})

describe('a dry run of an import', () => {
  it('returns the counts and each difference, and changes nothing', async () => {
    await withApp(async ({ client }) => {
      await putAll(client, 'user:1', 'user:2', 'user:3', 'user:9', 'other')
      const expiresAt = inMs(HOUR_MS)
      await client.put('user:3', { ...policy(100), expiresAt })
      const before = (await client.get('/config/export')).text
      const file = line('user:4', 4, { description: 'new' }) + line('user:2', 1) + line('user:1', 7)
      const { status, body, headers } = await importInto(client, 'prune=user:&dryRun=true', file)
      expect([status, headers.get('preference-applied'), headers.get('location')]).toEqual([200, null, null])
      expect(body).toEqual({
        created: 1,
        changed: 2,
        unchanged: 1,
        deleted: 1,
        differences: [
          { key: 'user:4', type: 'created', from: null, to: { ...stored(4), description: 'new' } },
          { key: 'user:1', type: 'changed', from: stored(1), to: stored(7) },
          {
            key: 'user:3',
            type: 'changed',
            from: { ...stored(100), expiresAt, then: stored(1) },
            to: { ...stored(100), expiresAt, then: null },
          },
          { key: 'user:9', type: 'deleted', from: stored(1), to: null },
        ],
      })
      expect((await client.get('/config/export')).text).toBe(before)
      expect((await importInto(client, 'dryRun=true', file)).body).toMatchObject({ changed: 1, deleted: 0 })
      expect((await importInto(client, 'prune=user:&dryRun=false', file)).body).toMatchObject({ deleted: 1 })
    })
  })

  it('needs no worker, and queues nothing', async () => {
    const redis = new Redis(given.store.url)
    await withApp(
      async ({ client }) => {
        const headers = { 'idempotency-key': 'looked', prefer: 'wait=60' }
        const { body } = await importInto(client, 'dryRun=true', line('a', 1), headers)
        expect(body).toMatchObject({ created: 1, unchanged: 0 })
        expect(await redis.keys('{looked:config-*}:*staged*')).toEqual([])
        expect(await redis.keys('{looked:config-*}:config-*:import*')).toEqual([])
        expect(await redis.keys('looked:idempotency:*')).toEqual([])
      },
      { worker: false, variables: { KEY_PREFIX: 'looked' } },
    )
    redis.disconnect()
  })

  it('lists the first 1,000 differences, and counts the others', async () => {
    await withApp(async ({ client }) => {
      const file = (count: number) => Array.from({ length: count }, (_, i) => line(`key:${i}`, 3)).join('')
      const whole = (await importInto(client, 'dryRun=true', file(1_000))).body
      expect([whole.created, whole.differences.length, whole.truncated]).toEqual([1_000, 1_000, undefined])
      const cut = (await importInto(client, 'dryRun=true', file(1_001))).body
      expect([cut.created, cut.differences.length, cut.truncated]).toEqual([1_001, 1_000, true])
    })
  })

  it('whose caller disconnects delays no other', async () => {
    await withApp(async ({ client, port }) => {
      const file = Array.from({ length: 50_000 }, (_, i) => line(`key:${i}`, 3)).join('')
      const head = `POST /config/import?dryRun=true HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: ${file.length}\r\n\r\n`
      const socket = connect(port, '127.0.0.1')
      await new Promise(resolve => socket.write(head + file.slice(0, 500_000), resolve))
      socket.resetAndDestroy()
      if (!socket.closed) await once(socket, 'close')
      expect((await importInto(client, 'dryRun=true', line('a', 1))).body).toMatchObject({ created: 1 })
    })
  })

  it('ends when the process begins to drain', async () => {
    await withApp(async app => {
      const file = Array.from({ length: 20_000 }, (_, i) => line(`key:${i}`, 3)).join('')
      const answer = importInto(app.client, 'dryRun=true', file)
      app.drain()
      expectProblem(await answer, 503, 'draining')
    })
  })

  it('refuses invalid header fields like the import', async () => {
    const headers = { 'x-change-reason': 'x'.repeat(501), 'if-match': '"1"', 'idempotency-key': 'a b' }
    for (const [field, value] of Object.entries(headers)) {
      const answer = await importInto(given.app.client, 'dryRun=true', line('a', 1), { [field]: value })
      expectFields(answer, 'validation-failed', [`/headers/${field}`])
    }
  })

  it('refuses an invalid line like the import', async () => {
    const answer = await importInto(given.app.client, 'dryRun=true', line('a', 1) + line('b', 0))
    expectProblem(answer, 400, 'import-invalid')
    expect(answer.body.line).toBe(2)
  })
})

describe.each(['', '&dryRun=true'])('with ?prune=…%s, the import is refused as a whole', more => {
  const client = () => given.app.client

  it('for a line outside of the prefix', async () => {
    await client().put('user:kept', policy(1))
    const answer = await importInto(client(), `prune=user:${more}`, line('user:1', 1) + line('other', 1))
    expectProblem(answer, 400, 'import-invalid')
    expect(answer.body.line).toBe(2)
    expect(answer.body.detail).toContain('the key "other" does not begin with "user:", the prefix of prune')
    expect(await keysIn(client())).toEqual(['user:kept'])
  })

  it.each([
    ['user:', 'every policy with the prefix "user:"'],
    ['*', 'every policy'],
  ])('for an empty file, with the prefix %s', async (prefix, deleted) => {
    const answer = await importInto(client(), `prune=${prefix}${more}`, '')
    expectFields(answer, 'validation-failed', ['/query/prune'])
    expect(answer.body.detail).toBe(`prune is not allowed with an empty file, which would delete ${deleted}`)
    expect(await keysIn(client())).toContain('user:kept')
  })

  it.each([
    ['an empty prefix', '', /is empty; give a prefix of config keys such as "user:", or "\*" for all of them/],
    ['a "*" within the prefix', 'us*er:', /must be a prefix of config keys.*"\*" at position 3/],
    ['a control character', 'user%01', /control character U\+0001/],
    ['a prefix that is too long', 'x'.repeat(257), /257 bytes/],
  ])('for %s', async (_, prefix, message) => {
    const answer = await importInto(client(), `prune=${prefix}${more}`, line('user:1', 1))
    expectFields(answer, 'validation-failed', ['/query/prune'])
    expect(answer.body.detail).toMatch(message)
  })

  it('for an invalid prefix, which a client that sends a large file is told too', async () => {
    const file = Array.from({ length: 300_000 }, (_, i) => line(`user:${i}`, 1)).join('')
    expectFields(await importInto(client(), `prune=${more}`, file), 'validation-failed', ['/query/prune'])
  })

  it('for unknown or repeated parameters', async () => {
    for (const query of ['pruned=user:', 'prune=user:&prune=other', 'prune=user:&dryRun=yes']) {
      expectProblem(await importInto(client(), `${query}${more}`, line('user:1', 1)), 400, 'validation-failed')
    }
  })
})
