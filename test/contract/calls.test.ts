import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { givenApp } from '../integration/http/given-app.ts'
import { rawRequest } from '../integration/http/raw-http.ts'
import { describeContract } from '../support/openapi.ts'

const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))
const { operations } = describeContract(document)
const named = operations.map(operation => [operation.id, operation] as const)
const withBody = named.filter(([, { mediaType }]) => mediaType === 'application/json')

const guarded = givenApp({
  variables: {
    ADMIN_TOKENS: 'ann:secret-of-an-admin,eve:secret-of-a-reader:read',
    CHECK_TOKENS: 'gate:secret-of-a-caller',
  },
})

type Operation = (typeof operations)[number]

async function ask({ method, path, mediaType, breach }: Operation, token: string | undefined, sent: Sent = {}) {
  const body = sent.body === undefined ? '' : typeof sent.body === 'string' ? sent.body : JSON.stringify(sent.body)
  const answer = await rawRequest(guarded.app.port, {
    method,
    path: path + (sent.query ?? ''),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(mediaType !== undefined && { 'content-type': mediaType }),
      prefer: 'wait=60',
      ...sent.headers,
    },
    body,
  })
  return { ...answer, breach: breach(answer) }
}

interface Sent {
  readonly body?: unknown
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
}

const query = (operation: Operation, text: string) => (operation.path.includes('?') ? '&' : '?') + text

describe('the running service answers as docs/openapi.json promises:', () => {
  it.each(named)('%s with its example', async (_, operation) => {
    const { status, breach } = await ask(operation, 'secret-of-an-admin', { body: operation.body })
    expect(breach).toBeUndefined()
    expect([200, 201, 204, 404]).toContain(status)
  })

  it.each(named)('%s without a token, and with an invalid one', async (_, operation) => {
    for (const token of [undefined, 'wrong']) {
      const { status, breach } = await ask(operation, token, { body: operation.body })
      expect(breach).toBeUndefined()
      expect(status === 401).toBe(operation.isGuarded)
    }
  })

  it.each(named.filter(([, { isGuarded }]) => isGuarded))('%s with a read-only token', async (_, operation) => {
    const { status, breach } = await ask(operation, 'secret-of-a-reader', { body: operation.body })
    expect(breach).toBeUndefined()
    const changesNothing = operation.method === 'GET' && operation.id !== 'getForwardAuth'
    expect(status === 403).toBe(!changesNothing)
  })

  it.each(named)('%s with an unknown query parameter', async (_, operation) => {
    const { status, breach } = await ask(operation, 'secret-of-an-admin', {
      body: operation.body,
      query: query(operation, 'unknown=1'),
    })
    expect([status, breach]).toEqual([400, undefined])
  })

  it.each(withBody)('%s with an unknown member', async (_, operation) => {
    const { status, breach } = await ask(operation, 'secret-of-an-admin', {
      body: { ...(operation.body as object), unknown: 1 },
    })
    expect([status, breach]).toEqual([400, undefined])
  })

  it.each(withBody)('%s with each member of another type', async (_, operation) => {
    for (const name of Object.keys(operation.bodySchema.properties)) {
      const { status, breach } = await ask(operation, 'secret-of-an-admin', {
        body: { ...(operation.body as object), [name]: { wrong: true } },
      })
      expect([name, status, breach]).toEqual([name, 400, undefined])
    }
  })

  it.each(withBody)('%s without each member that is required', async (_, operation) => {
    for (const name of operation.bodySchema.required ?? []) {
      const { [name]: _left, ...body } = operation.body as Record<string, unknown>
      const { status, breach } = await ask(operation, 'secret-of-an-admin', { body })
      expect([name, status, breach]).toEqual([name, 400, undefined])
    }
  })

  it.each(withBody)('%s with a body that is invalid JSON, of another type, or too large', async (_, operation) => {
    const broken = await ask(operation, 'secret-of-an-admin', { body: '{' })
    expect([broken.status, broken.breach]).toEqual([400, undefined])
    const xml = await ask(operation, 'secret-of-an-admin', { body: '<a/>', headers: { 'content-type': 'text/xml' } })
    expect([xml.status, xml.breach]).toEqual([takesAnyMediaType(operation) ? 400 : 415, undefined])
    const client = guarded.app.as({ authorization: 'Bearer secret-of-an-admin' })
    const large = await client.request(operation.method, operation.path, `"${'x'.repeat(9 * 1024 * 1024)}"`)
    expect([large.status, operation.breach(large)]).toEqual([413, undefined])
  })

  it('a check that is denied, blocked, or can never pass', async () => {
    const check = operations.find(({ id }) => id === 'postCheck') as Operation
    const admin = guarded.app.as({ authorization: 'Bearer secret-of-an-admin' })
    await admin.put('spent', { capacity: 1, refillTokens: 1, refillIntervalMs: 60_000 })
    await admin.put('two', {
      limits: [
        { name: 'a', capacity: 1, refillTokens: 1 },
        { name: 'b', capacity: 2, refillTokens: 1 },
      ],
    })
    await admin.put('blocked', { capacity: 1, refillTokens: 1, mode: 'block' })
    await admin.put('shut', { mode: 'block' })
    await admin.put('open', { mode: 'off' })
    await admin.check('spent')
    const expected = { spent: 429, two: 200, blocked: 429, shut: 429, open: 200 }
    for (const [key, status] of Object.entries(expected)) {
      const answer = await ask(check, 'secret-of-a-caller', { body: { key } })
      expect([key, answer.status, answer.breach]).toEqual([key, status, undefined])
    }
    const impossible = await ask(check, 'secret-of-a-caller', { body: { key: 'spent', tokens: 2 } })
    expect([impossible.body.code, impossible.breach]).toEqual(['tokens-exceed-capacity', undefined])
    const unknown = await ask(check, 'secret-of-a-caller', { body: { key: 'any', policy: 'gone' } })
    expect([unknown.body.code, unknown.breach]).toEqual(['policy-unknown', undefined])
    const batch = operations.find(({ id }) => id === 'postCheckBatch') as Operation
    const checks = [
      { key: 'two' },
      { key: 'spent' },
      { key: 'blocked' },
      { key: 'shut' },
      { key: 'open' },
      { key: 'spent', tokens: 2 },
      { key: 'any', policy: 'gone' },
    ]
    const answer = await ask(batch, 'secret-of-a-caller', { body: { checks } })
    expect([answer.status, answer.breach]).toEqual([200, undefined])
  })

  it('a check of a proxy that is denied or blocked, with either status', async () => {
    const { breach } = operations.find(({ id }) => id === 'getForwardAuth') as Operation
    const admin = guarded.app.as({ authorization: 'Bearer secret-of-an-admin' })
    await admin.put('closed', { mode: 'block' })
    await admin.put('full', { capacity: 1, refillTokens: 1, refillIntervalMs: 60_000 })
    await admin.check('full')
    for (const [key, code] of Object.entries({ closed: 'blocked', full: 'quota-exceeded' })) {
      for (const [deny, status] of Object.entries({ '': 429, '&deny=403': 403 })) {
        const answer = await admin.get(`/forward-auth?key=${key}${deny}`)
        expect([answer.status, answer.body.code, breach(answer)]).toEqual([status, code, undefined])
      }
    }
  })
})

/** As Envoy's rate limit service does, whatever the media type says, the body is JSON. */
function takesAnyMediaType({ id }: Operation): boolean {
  return id === 'postJson'
}
