import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { TestApp } from '../../support/app.ts'
import type { Answer, Client } from '../../support/client.ts'
import { eventually } from '../../support/eventually.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const NDJSON = { 'content-type': 'application/x-ndjson' }
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const line = (key: string, capacity: number) => `${JSON.stringify({ key, ...policy(capacity) })}\n`
const importInto = (client: Client, file: string, headers: Record<string, string> = {}) =>
  client.request('POST', '/config/import', file, { ...NDJSON, prefer: 'wait=60', ...headers })
const keysOf = (count: number) => Array.from({ length: count }, (_, i) => `key:${i.toString(36)}`)

async function withApp<T>(use: (app: TestApp) => Promise<T>, options: Parameters<typeof TestApp.start>[1] = {}) {
  const app = await TestApp.start(given.store, options)
  try {
    return await use(app)
  } finally {
    await app.close()
  }
}

describe('an import', () => {
  it('whose caller disconnects before it is read completely causes no error of the service', async () => {
    const lines: string[] = []
    // On a busy machine, a connection to the store may be slow to come.
    const write = (text: string) => void (text.includes('"connection":') || lines.push(text))
    const logger = pino({ level: 'warn' }, { write })
    const file = line('a', 1).repeat(100)
    const head = [
      'POST /config/import HTTP/1.1',
      'host: localhost',
      'authorization: Bearer secret-of-an-admin',
      'content-type: application/x-ndjson',
      `content-length: ${file.length}`,
    ]
    const goAway = async (port: number, turns: number) => {
      const socket = connect(port, '127.0.0.1')
      await new Promise(resolve => socket.write(`${head.join('\r\n')}\r\n\r\n${file}`, resolve))
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
      socket.resetAndDestroy()
      if (!socket.closed) await once(socket, 'close')
    }
    await withApp(
      async ({ port }) => {
        for (let i = 0; i < 200; i++) await goAway(port, i % 8)
      },
      { logger, variables: { ADMIN_TOKENS: 'ann:secret-of-an-admin' } },
    )
    expect(lines).toEqual([])
  })

  it('replaces the policies of its lines, and leaves the others', async () => {
    await withApp(async ({ client }) => {
      await client.put('kept', policy(1))
      await client.put('same', policy(2))
      await client.put('other', { ...policy(3), description: 'goes' })
      const answer = await importInto(client, line('same', 2) + line('other', 4) + line('new:*', 5), {
        'x-change-reason': 'migration',
      })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('preference-applied')).toBe('wait')
      const { commandId } = answer.body
      expect(answer.body).toEqual({ commandId, status: 'applied', created: 1, changed: 1, unchanged: 1, deleted: 0 })
      expect((await client.get(`/commands/${commandId}`)).body).toEqual({
        id: commandId,
        status: 'applied',
        created: 1,
        changed: 1,
        unchanged: 1,
        deleted: 0,
      })
      const { items } = (await client.get('/config')).body
      expect(items.map(({ key, version }: { key: string; version: number }) => [key, version])).toEqual([
        ['kept', 1],
        ['new:*', 1],
        ['other', 2],
        ['same', 1],
      ])
      expect(items[2]).not.toHaveProperty('description')
      const { events } = (await client.get('/config/other/history')).body
      expect(events[1]).toMatchObject({ type: 'imported', actor: 'anonymous', reason: 'migration', commandId })
      expect((await client.check('new:x', 0)).body).toMatchObject({ policy: 'new:*', limit: 5 })
    })
  })

  it('of more lines than one call applies is applied completely, and leaves no staged lines', async () => {
    const keys = keysOf(3_000)
    const redis = new Redis(given.store.url)
    await withApp(
      async ({ client }) => {
        const file = keys.map((key, i) => line(key, i + 1)).join('')
        expect((await importInto(client, file)).body).toMatchObject({ created: 3_000, changed: 0, unchanged: 0 })
        expect((await importInto(client, file)).body).toMatchObject({ created: 0, changed: 0, unchanged: 3_000 })
        expect((await client.get('/config/key:zz')).body).toMatchObject({ version: 1, limits: [{ capacity: 1_296 }] })
        await eventually(async () => {
          expect(await redis.keys('{staged:config-*}:staged:*')).toEqual([])
          expect(await redis.keys('{staged:config-*}:progress:*')).toEqual([])
        })
      },
      { variables: { KEY_PREFIX: 'staged' } },
    )
    redis.disconnect()
  })

  it('without Prefer: wait is one command', async () => {
    await withApp(
      async app => {
        const accepted = await importInto(app.client, line('a', 1), { prefer: '' })
        const { commandId } = accepted.body
        expect([accepted.status, accepted.body]).toEqual([202, { commandId, status: 'queued' }])
        expect(accepted.headers.get('location')).toBe(`/commands/${commandId}`)
        const status = async () => (await app.client.get(`/commands/${commandId}`)).body
        expect(await status()).toEqual({ id: commandId, status: 'queued' })
        await app.startWorker()
        await eventually(async () =>
          expect(await status()).toEqual({
            id: commandId,
            status: 'applied',
            created: 1,
            changed: 0,
            unchanged: 0,
            deleted: 0,
          }),
        )
      },
      { worker: false },
    )
  })

  it('of an empty file changes nothing', async () => {
    expect((await importInto(given.app.client, '')).body).toMatchObject({ created: 0, changed: 0, unchanged: 0 })
  })

  it('is applied completely even if the accepting process died after it had queued only one part', async () => {
    const redis = new Redis(given.store.url)
    await withApp(
      async app => {
        const file = keysOf(100)
          .map(key => line(key, 7))
          .join('')
        const { body } = await importInto(app.client, file, { prefer: '' })
        for (const partition of [0, 1, 3]) {
          const jobs = await redis.keys(`{siblings:config-${partition}}:config-${partition}:*`)
          expect(await redis.del(...jobs)).toBeGreaterThan(0)
        }
        await app.startWorker()
        await eventually(async () =>
          expect((await app.client.get(`/commands/${body.commandId}`)).body).toMatchObject({ created: 100 }),
        )
      },
      { variables: { KEY_PREFIX: 'siblings' }, worker: false },
    )
    redis.disconnect()
  })
})

describe('an export', () => {
  it('can be imported into an empty service, whose export is then the same byte for byte', async () => {
    const strange = ['*', 'user:*', '{acme}:search', 'a/b?c#d%', 'ü', '😀', '\uffee', ' ', 'quote"\\', 'z'.repeat(256)]
    const exported = await withApp(async ({ client }) => {
      for (const [i, key] of strange.entries()) await client.put(key, policy(i + 1))
      await client.put('full', {
        limits: [
          { name: 'b', capacity: 1, refillTokens: 2, refillIntervalMs: 3 },
          { name: 'a', capacity: 4, refillTokens: 5 },
        ],
        mode: 'shadow',
        onStoreFailure: 'deny',
        description: 'line\nbreak "and" \u2028',
      })
      await importInto(
        client,
        keysOf(1_500)
          .map((key, i) => line(key, i + 1))
          .join(''),
      )
      await client.put('gone', policy(1))
      await client.delete('gone')
      const answer = await client.get('/config/export')
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
      return answer.text
    })
    const keys = exported
      .split('\n')
      .slice(0, -1)
      .map(text => JSON.parse(text).key)
    expect(keys).toHaveLength(strange.length + 1 + 1_500)
    expect(keys).toEqual(keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))

    await withApp(async ({ client }) => {
      const shuffled = exported.split('\n').slice(0, -1).toReversed().join('\n')
      expect((await importInto(client, shuffled)).body).toMatchObject({ created: keys.length, unchanged: 0 })
      expect((await client.get('/config/export')).text).toBe(exported)
      expect((await importInto(client, exported)).body).toMatchObject({
        created: 0,
        changed: 0,
        unchanged: keys.length,
      })
    })
  })

  it('of no policies is empty', async () => {
    await withApp(async ({ client }) => expect((await client.get('/config/export')).text).toBe(''))
  })
})

describe('an import file is refused as a whole', () => {
  async function expectNothingDone(answer: Answer): Promise<void> {
    expect(answer.headers.get('location')).toBeNull()
    expect((await given.app.client.get('/config')).body).toEqual({ items: [] })
  }

  const good = line('good', 1)
  const REFUSED: [what: string, file: string, line: number, detail: RegExp][] = [
    ['invalid JSON', `${good}{"key":\n${line('x', 1)}`, 2, /it is not valid JSON/],
    ['an empty line', `${good}\n${line('x', 1)}`, 2, /it is empty; every line must be a policy/],
    ['an empty line that ends with CRLF', `${good}\r\n`, 2, /it is empty; every line must be a policy/],
    ['a byte order mark that is not at the start', `${good}\uFEFF${line('x', 1)}`, 2, /it is not valid JSON/],
    ['a line that is not an object', `${good}[]\n`, 2, /must be object/],
    ['a missing key', `${JSON.stringify(policy(1))}\n`, 1, /\/key: is missing/],
    ['a key that is not allowed', good + line('a\u0001', 1), 2, /\/key: .*control character/],
    ['a reserved key', good + line('export', 1), 2, /\/key: .*reserved/],
    ['an invalid policy', good + line('x', 0), 2, /\/capacity: must be an integer from 1 to 1000000000; was 0/],
    [
      'JSON nested nine levels deep',
      `${good}${'['.repeat(9)}${']'.repeat(9)}`,
      2,
      /nested more deeply than the 8 levels/,
    ],
    ['too many members', `${good}{${Array.from({ length: 2_000 }, (_, i) => `"m${i}":1`).join()}}`, 2, /1000 members/],
    ['an unknown member', `{"key":"x","capacity":1,"refillTokens":1,"version":1}`, 1, /\/version: is unknown/],
    [
      'a policy that cannot be counted exactly',
      `{"key":"x","capacity":1000000000,"refillTokens":7,"refillIntervalMs":2678399999}`,
      1,
      /2\^53/,
    ],
    ['a duplicate key', good + line('x', 1) + good, 3, /"good" is already on line 1/],
    ['a line that is too long', `${good}{"key":"${'x'.repeat(70_000)}"}\n`, 2, /more than 65536 bytes/],
  ]
  it.each(REFUSED)('for %s', async (_, file, number, detail) => {
    const answer = await importInto(given.app.client, file)
    expectProblem(answer, 400, 'import-invalid')
    expect(answer.body.line).toBe(number)
    expect(answer.body.detail).toMatch(detail)
    await expectNothingDone(answer)
  })

  it('for bytes that are not UTF-8', async () => {
    const file = Buffer.concat([
      Buffer.from(good),
      Buffer.from('{"key":"\xff","capacity":1,"refillTokens":1}', 'latin1'),
    ])
    const response = await fetch(`${given.app.url}/config/import`, { method: 'POST', headers: NDJSON, body: file })
    const { line, detail } = (await response.json()) as { line: number; detail: string }
    expect([response.status, line]).toEqual([400, 2])
    expect(detail).toMatch(/: it is not valid UTF-8$/)
    expect(detail).not.toContain('JSON')
  })

  it('for one invalid line among 100,000', async () => {
    const lines = Array.from({ length: 100_000 }, (_, i) => line(`user:${i}`, i === 57_311 ? 0 : 5))
    const answer = await importInto(given.app.client, lines.join(''))
    expectProblem(answer, 400, 'import-invalid')
    expect(answer.body.line).toBe(57_312)
    await expectNothingDone(answer)
  })

  it('and leaves no staged lines', async () => {
    const redis = new Redis(given.store.url)
    expect((await redis.keys('*:staged:*')).filter(key => !key.includes('staged:config'))).toEqual([])
    redis.disconnect()
  })

  it('if it is larger than IMPORT_MAX_BYTES, whether its length is announced or not', async () => {
    await withApp(
      async app => {
        const file = line('x', 1).repeat(2_000)
        expectProblem(await importInto(app.client, file), 413, 'body-too-large')
        const unannounced = await fetch(`${app.url}/config/import`, {
          method: 'POST',
          headers: NDJSON,
          body: new Blob(['{"key":', ...keysOf(1), ...Array.from({ length: 3_000 }, () => 'x')]).stream(),
          duplex: 'half',
        } as RequestInit)
        expect([unannounced.status, ((await unannounced.json()) as { code: string }).code]).toEqual([
          413,
          'body-too-large',
        ])
        expect((await importInto(app.client, line('x', 1))).status).toBe(200)
      },
      { variables: { IMPORT_MAX_BYTES: '1000' } },
    )
  })

  it.each([
    ['another media type', { 'content-type': 'application/json' }],
    ['a compressed body', { 'content-encoding': 'gzip' }],
  ])('for %s', async (_, headers) => {
    expectProblem(await importInto(given.app.client, good, headers), 415, 'media-type-unsupported')
  })

  it.each(['if-match', 'if-none-match'])('for %s, which an import with its many keys cannot obey', async field => {
    expectFields(await importInto(given.app.client, good, { [field]: '*' }), 'validation-failed', [`/headers/${field}`])
  })
})
