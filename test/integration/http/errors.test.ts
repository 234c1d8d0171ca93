import { describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { TestApp } from '../../support/app.ts'
import type { Answer } from '../../support/client.ts'
import { startStore } from '../../support/store.ts'
import { expectCommonFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const given = givenApp({ variables: { DEFAULT_CAPACITY: '5' } })
const client = () => given.app.client

const CATALOGUE: [code: string, status: number, title: string, provoke: () => Promise<Answer>][] = [
  [
    'body-malformed',
    400,
    'The body is not well-formed JSON in UTF-8',
    () => client().request('POST', '/check', '{', {}),
  ],
  ['validation-failed', 400, 'The request is invalid', () => client().request('POST', '/check', {})],
  ['key-invalid', 400, 'The key is not allowed', () => client().check('')],
  ['key-reserved', 400, 'The key is reserved', () => client().get('/config/default')],
  ['cursor-invalid', 400, 'The cursor is invalid', () => client().get('/config?cursor=!')],
  ['tokens-exceed-capacity', 400, 'More tokens than the limit ever holds', () => client().check('k', 6)],
  [
    'forbidden',
    403,
    'Not allowed',
    () => client().request('GET', '/config', undefined, { origin: 'http://elsewhere.example' }),
  ],
  ['not-found', 404, 'The resource does not exist', () => client().get('/nothing')],
  ['policy-not-found', 404, 'The key has no policy', () => client().get('/config/nobody')],
  ['version-not-found', 404, 'The version does not exist', () => client().get('/config/nobody?version=1')],
  ['command-not-found', 404, 'The command does not exist', () => client().get('/commands/none')],
  ['method-not-allowed', 405, 'The resource does not support this method', () => client().get('/check')],
  [
    'import-invalid',
    400,
    'A line of the import is invalid',
    () => client().request('POST', '/config/import', '{}', { 'content-type': 'application/x-ndjson' }),
  ],
  [
    'version-conflict',
    412,
    'The policy is at another version',
    () => client().put('nobody', { capacity: 1, refillTokens: 1 }, { 'if-match': '"1"' }),
  ],
  [
    'body-too-large',
    413,
    'The body is too large',
    () => client().request('POST', '/check', { key: 'x'.repeat(65_536) }),
  ],
  [
    'media-type-unsupported',
    415,
    'The media type is not supported',
    () => client().request('POST', '/check', '{}', { 'content-type': 'text/plain' }),
  ],
]

describe('an error', () => {
  it.each(CATALOGUE)('%s is a problem with status %i', async (code, status, title, provoke) => {
    const answer = await provoke()
    expectProblem(answer, status, code)
    expect(answer.body.title).toBe(title)
    expect(answer.headers.get('retry-after')).toBeNull()
  })

  it('of a rejected command has the same members in the answer and in the command', async () => {
    const { headers } = await client().request('DELETE', '/config/nobody')
    const rejected = await client().delete('nobody')
    expectProblem(rejected, 404, 'policy-not-found')
    const command = await client().get(headers.get('location') ?? '')
    const { instance: _, ...members } = rejected.body
    expect(command.body).toMatchObject({ status: 'rejected', key: 'nobody', error: members })
  })
})

describe('every answer', () => {
  const answers: [string, () => Promise<Answer>][] = [
    ['200', () => client().check('common')],
    ['202', () => client().request('PUT', '/config/common', { capacity: 1, refillTokens: 1 })],
    ['404', () => client().get('/nothing')],
    ['405', () => client().request('PATCH', '/check', {})],
    ['OPTIONS 204', () => client().request('OPTIONS', '/config/a')],
    ['HEAD 200', () => rawRequest(given.app.port, { method: 'HEAD', path: '/health' })],
    ['metrics', () => client().get('/metrics')],
    ['412', () => client().put('common', { capacity: 1, refillTokens: 1 }, { 'if-match': '"99"' })],
  ]
  it.each(answers)('of kind %s is not cacheable and has a request id', async (_, ask) =>
    expectCommonFields(await ask()),
  )

  it.each(['a', 'A-z_0.9', 'x'.repeat(128)])('repeats the request id %s', async id => {
    const answer = await client().request('POST', '/check', { key: 'k' }, { 'x-request-id': id })
    expect(answer.headers.get('x-request-id')).toBe(id)
  })

  it.each(['x'.repeat(129), 'with space', 'ü', '"quoted"', 'a,b', ''])('replaces the request id %j', async id => {
    const answer = await rawRequest(given.app.port, { path: '/nothing', headers: { 'x-request-id': id } })
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f]{16}-[0-9]+$/)
    expect(answer.body.instance).toBe(`urn:request:${answer.headers.get('x-request-id')}`)
  })
})

describe('a bug', () => {
  it('is answered as internal, without details, and logged', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: line => void lines.push(line) })
    const scrape = () => Promise.reject(new Error('the secret'))
    const app = await TestApp.start(given.store, { scrape, logger })
    try {
      const answer = await app.client.get('/metrics')
      expectProblem(answer, 500, 'internal')
      expect(answer.body.title).toBe('Internal error')
      expect(answer.text).not.toContain('secret')
      expect(lines.join()).toContain('the secret')
      expect(lines.join()).toContain(answer.headers.get('x-request-id'))
    } finally {
      await app.close()
    }
  })
})

describe('an outage', () => {
  it('is a 503 with Retry-After, never a 429', async () => {
    const store = await startStore()
    const app = await TestApp.start(store, { variables: { ON_STORE_FAILURE: 'deny' }, worker: false })
    await store.stop()
    app.drain()
    const expected: [Answer, string, string][] = [
      [await app.client.get('/ready'), 'draining', 'The service is not ready or is stopping'],
      [await app.client.check('k'), 'store-unavailable', 'The bucket store is unavailable'],
      [await app.client.get('/config/k'), 'config-store-unavailable', 'The policy store is unavailable'],
      [await app.client.delete('k'), 'config-store-unavailable', 'The policy store is unavailable'],
    ]
    await app.close()
    for (const [answer, code, title] of expected) {
      expectProblem(answer, 503, code)
      expect(answer.body.title).toBe(title)
      expect(answer.headers.get('retry-after')).toBe('1')
    }
  })
})
