import { METHODS } from 'node:http'
import { describe, expect, it } from '@jest/globals'
import { expectCommonFields, expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { exchange, rawRequest } from './raw-http.ts'

const given = givenApp()
const ask = (method: string, path: string) => rawRequest(given.app.port, { method, path })

const PATHS: [path: string, methods: string[]][] = [
  ['/check', ['POST']],
  ['/config', ['GET', 'HEAD']],
  ['/config/a%2Fb', ['PUT', 'DELETE', 'GET', 'HEAD']],
  ['/config/%ZZ', ['PUT', 'DELETE', 'GET', 'HEAD']],
  ['/config/a/history', ['GET', 'HEAD']],
  ['/config/a/rollback', ['POST']],
  ['/commands/x', ['GET', 'HEAD']],
  ['/health', ['GET', 'HEAD']],
  ['/ready', ['GET', 'HEAD']],
  ['/metrics', ['GET', 'HEAD']],
]

describe('a path that does not exist is 404:', () => {
  it.each([
    '/nope',
    '/check/',
    '/CHECK',
    '//check',
    '/config/a/',
    '/config/a/b',
    '/config//',
    '/healthz',
    '/health/..',
  ])('%s', async path => {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const answer = await ask(method, path)
      expectProblem(answer, 404, 'not-found')
      expect(answer.body.detail).toBe(`there is nothing at ${path}`)
    }
  })
})

describe('the target *', () => {
  it('stands for the whole service: OPTIONS answers with all methods', async () => {
    const answer = await ask('OPTIONS', '*')
    expect([answer.status, answer.text]).toEqual([204, ''])
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']
    expect(answer.headers.get('allow')?.split(', ').toSorted()).toEqual(methods.toSorted())
    expectCommonFields(answer)
  })

  it.each(['GET', 'POST'])('does not exist for %s', async method => {
    const answer = await ask(method, '*')
    expectProblem(answer, 404, 'not-found')
    expect(answer.body.detail).toBe('there is nothing at *')
  })
})

it.each(['/docs/nope', '/docs/static/nope.js'])('the page %s does not exist', async path => {
  const answer = await ask('GET', path)
  expectProblem(answer, 404, 'not-found')
  expect(answer.body.detail).toBe(`there is nothing at ${path}`)
})

it.each(['/docs/nope', '/docs/static/nope.js', '/docs/./', '/docs/static/..', '/docs/%2e/static/index.html'])(
  'there is no page %s',
  async path => {
    const answer = await ask('GET', path)
    expectProblem(answer, 404, 'not-found')
    expect(answer.body.detail).toBe(`there is nothing at ${path}`)
  },
)

describe('a path that exists', () => {
  it.each(PATHS)('%s answers every other method with 405 and Allow', async (path, methods) => {
    const others = METHODS.filter(method => ![...methods, 'OPTIONS', 'CONNECT', 'HEAD'].includes(method))
    expect(others).toEqual(expect.arrayContaining(['TRACE', 'PROPFIND', 'PATCH', 'M-SEARCH']))
    for (const method of others) {
      const answer = await ask(method, path)
      expectProblem(answer, 405, 'method-not-allowed')
      expect(answer.headers.get('allow')?.split(', ')).toEqual([...methods, 'OPTIONS'])
      expect(answer.body.detail).toContain(`${method} is not allowed here; `)
    }
  })

  it.each(PATHS)('%s answers OPTIONS with 204 and Allow, and without CORS fields', async (path, methods) => {
    const answer = await rawRequest(given.app.port, {
      method: 'OPTIONS',
      path,
      headers: { origin: 'http://elsewhere.example', 'access-control-request-method': 'POST' },
    })
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect(answer.headers.get('allow')?.split(', ')).toEqual([...methods, 'OPTIONS'])
    expectCommonFields(answer)
  })

  it('refuses another method before it reads the body', async () => {
    const headers = { 'content-type': 'text/plain' }
    const answer = await rawRequest(given.app.port, {
      method: 'PUT',
      path: '/check',
      headers,
      body: 'x'.repeat(100_000),
    })
    expectProblem(answer, 405, 'method-not-allowed')
  })

  it('may be given as an absolute URI', async () => {
    expect((await ask('GET', 'http://localhost/health')).status).toBe(200)
    expectProblem(await ask('GET', 'http://localhost/check?x'), 405, 'method-not-allowed')
  })

  it.each(['/config', '/config/head', '/config/nobody', '/config?limit=0', '/metrics'])(
    '%s answers HEAD as GET, without the body',
    async path => {
      await given.app.client.put('head', { capacity: 1, refillTokens: 1 })
      const headers = { 'x-request-id': 'same' }
      const [get, head] = await Promise.all([
        rawRequest(given.app.port, { path, headers }),
        rawRequest(given.app.port, { method: 'HEAD', path, headers }),
      ])
      expect([head.status, head.text]).toEqual([get.status, ''])
      const fields = (answer: typeof get) => [...answer.headers].filter(([name]) => name !== 'date').toSorted()
      if (path !== '/metrics') expect(fields(head)).toEqual(fields(get))
    },
  )
})

describe('a query parameter', () => {
  it.each([
    ['POST', '/check?x=1', ['/query/x']],
    ['GET', '/health?x=1&y=2', ['/query/x', '/query/y']],
    ['GET', '/config?Limit=5', ['/query/Limit']],
    ['GET', '/config?__proto__=1', ['/query/__proto__']],
    ['DELETE', '/config/k?dryrun=1', ['/query/dryrun']],
    ['GET', '/commands/x?wait=60', ['/query/wait']],
  ])('that is unknown is refused: %s %s', async (method, path, pointers) => {
    const body = method === 'POST' ? '{"key":"k"}' : ''
    const headers = { ...(body && { 'content-type': 'application/json' }) }
    const answer = await rawRequest(given.app.port, { method, path, headers, body })
    expectFields(answer, 'validation-failed', pointers)
    expect(answer.body.errors[0].message).toMatch(/^is unknown; (allowed: [a-z]|none is allowed here)/)
  })

  it.each([
    ['/config?limit=0', '/query/limit', 'must be an integer from 1 to 1000; was 0'],
    ['/config?limit=1001', '/query/limit', 'must be an integer from 1 to 1000; was 1001'],
    ['/config?limit=abc', '/query/limit', 'must be an integer from 1 to 1000; was "abc"'],
    ['/config?limit=1.5', '/query/limit', 'must be an integer from 1 to 1000; was "1.5"'],
    ['/config?limit=', '/query/limit', 'must be an integer from 1 to 1000; was ""'],
    ['/config?limit=1&limit=2', '/query/limit', 'must be an integer from 1 to 1000; was an array'],
    ['/config?prefix=a&prefix=b', '/query/prefix', 'must be string; was an array'],
    ['/config/k?version=0', '/query/version', 'must be an integer from 1 to 9007199254740991; was 0'],
    ['/config/k?version=-1', '/query/version', 'must be an integer from 1 to 9007199254740991; was -1'],
    [
      '/config/k?version=9007199254740992',
      '/query/version',
      'must be an integer from 1 to 9007199254740991; was more than 9007199254740991',
    ],
    ['/config/k?version=latest', '/query/version', 'must be an integer from 1 to 9007199254740991; was "latest"'],
  ])('that is invalid is refused: %s', async (path, pointer, message) => {
    const answer = await ask('GET', path)
    expectFields(answer, 'validation-failed', [pointer])
    expect(answer.body.errors[0].message).toBe(message)
  })
})

it.each(['/health', '/docs', '/forward-auth', '/config'])(
  '%s accepts at most a hundred query parameters',
  async path => {
    const query = Array.from({ length: 3_000 }, (_, i) => i.toString(36)).join('&')
    const answer = await ask('GET', `${path}?${query}`)
    expectFields(answer, 'validation-failed', ['/query'])
    expect(answer.body.errors[0].message).toBe('must have at most 100 parameters; has 3000')
  },
)

describe('the Transfer-Encoding', () => {
  const check = (coding: string, version = '1.1', key = 'te') =>
    `POST /check HTTP/${version}\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: ${coding}\r\n\r\n` +
    `c\r\n{"key":"${key}"}\r\n0\r\n\r\n`

  it.each(['chunked', 'Chunked'])('may be %s', async coding => {
    const last = 'GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'
    const answer = await exchange(given.app.port, check(coding) + last)
    expect(answer.match(/HTTP\/1\.1 [0-9]+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
  })

  it.each([
    ['gzip, chunked', '1.1'],
    ['gzip\r\ntransfer-encoding: chunked', '1.1'],
    ['chunked', '1.0'],
    ['chunked\r\nconnection: keep-alive', '1.0'],
  ])('may not be %j in HTTP/%s: the answer is a 400, and the connection ends', async (coding, version) => {
    const behind = check('chunked', '1.1', 'at')
    const answer = await exchange(given.app.port, check('chunked') + check(coding, version) + behind)
    expect(answer.match(/HTTP\/1\.1 [0-9]+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
    expect(answer).toMatch(
      /connection: close\r\n[\s\S]*"detail":"[^"]*Transfer-Encoding[^"]*"[\s\S]*"code":"validation-failed"\}$/i,
    )
    const { body } = await ask('GET', '/buckets/at')
    expect(body.remaining).toBe(body.limit)
  })
})

describe('an irregular HTTP request', () => {
  it.each([
    ['garbage', '\u0016\u0003\u0001 garbage\r\n\r\n'],
    ['an unknown method', 'BREW /pot HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['header fields that are too large', `GET /health HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`],
    [
      'two lengths',
      'POST /check HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two Hosts', 'GET /health HTTP/1.1\r\nhost: a\r\nHost: a\r\nconnection: close\r\n\r\n'],
    ['two Hosts in HTTP/1.0', 'GET /health HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n'],
    ['no Host', 'GET /health HTTP/1.1\r\nconnection: close\r\n\r\n'],
  ])('is answered with the usual 400, and the connection ends: %s', async (_, bytes) => {
    const [head = '', body = ''] = (await exchange(given.app.port, bytes)).split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
    expect(head).toContain('content-type: application/problem+json; charset=utf-8')
    expect(head).toContain('cache-control: no-store')
    const [, id] = /x-request-id: ([0-9a-f]{16}-[0-9]+)/.exec(head) ?? []
    expect(JSON.parse(body)).toMatchObject({ code: 'validation-failed', status: 400, instance: `urn:request:${id}` })
  })

  it('is answered as usual if only its expectation is unknown', async () => {
    const bytes = 'GET /health HTTP/1.1\r\nhost: localhost\r\nexpect: wonders\r\nconnection: close\r\n\r\n'
    expect(await exchange(given.app.port, bytes)).toMatch(/^HTTP\/1.1 200 OK\r\n.*x-request-id: /s)
  })
})
