import { describe, expect, it } from '@jest/globals'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { exchange, rawRequest } from './raw-http.ts'

const open = givenApp()
const guarded = givenApp({ variables: { ADMIN_TOKENS: 'alice:secret-of-an-admin' } }, open)
const authorization = 'Bearer secret-of-an-admin'

describe('without ADMIN_TOKENS, /config', () => {
  const ask = (host: string) => rawRequest(open.app.port, { path: '/config', headers: { host } })

  it.each([
    'localhost',
    'localhost:8080',
    'LocalHost',
    'a.localhost',
    'a.b.localhost:1',
    '127.0.0.1',
    '127.255.0.9:65535',
    '[::1]',
    '[::1]:8080',
  ])('accepts the Host %s', async host => {
    expect((await ask(host)).status).toBe(200)
  })

  it.each([
    'throttler.example',
    'localhost.example',
    'localhost@evil.example',
    'evil.example:localhost',
    'notlocalhost',
    '.localhost.',
    '127.0.0.1.evil.example',
    '127.999.0.1',
    '128.0.0.1',
    '10.0.0.1:8080',
    '0.0.0.0',
    '[::]',
    '[fe80::1]',
  ])('refuses the Host %j', async host => {
    const answer = await ask(host)
    expectProblem(answer, 403, 'forbidden')
    expect(answer.body.detail).toContain(`it was ${host}`)
  })

  it.each([
    ['an empty Host', 'HTTP/1.1\r\nhost:\r\nconnection: close', 'it was "'],
    ['no Host, as HTTP/1.0 allows', 'HTTP/1.0', 'it was missing'],
  ])('refuses %s', async (_, rest, detail) => {
    const text = await exchange(open.app.port, `GET /config ${rest}\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
    expect(text).toContain(detail)
  })
})

describe('with ADMIN_TOKENS, /config', () => {
  it.each(['throttler.example', '10.0.0.1:8080'])('accepts any Host, such as %s', async host => {
    const headers = { host, authorization }
    expect((await rawRequest(guarded.app.port, { path: '/config', headers })).status).toBe(200)
  })
})

describe('with and without ADMIN_TOKENS, /config', () => {
  const ask = async (host: string, origin: string) => {
    const headers = { host, origin, authorization }
    const answers = [open, guarded].map(({ app }) => rawRequest(app.port, { path: '/config', headers }))
    return Promise.all(answers)
  }

  it.each([
    ['localhost', 'http://localhost'],
    ['localhost:8080', 'http://localhost:8080'],
    ['LOCALHOST:8080', 'http://localhost:8080'],
    ['[::1]:8080', 'http://[::1]:8080'],
  ])('at the Host %s accepts requests from a page of %s', async (host, origin) => {
    for (const { status } of await ask(host, origin)) expect(status).toBe(200)
  })

  it.each([
    ['localhost', 'http://evil.example'],
    ['localhost:8080', 'http://localhost:3000'],
    ['localhost:8080', 'http://localhost'],
    ['localhost', 'http://a.localhost'],
    ['localhost', 'null'],
    ['localhost', 'localhost'],
    ['localhost', ''],
  ])('at the Host %s refuses requests from a page of %j', async (host, origin) => {
    for (const answer of await ask(host, origin)) {
      expectProblem(answer, 403, 'forbidden')
      expect(answer.body.detail).toContain(`the Origin was ${origin}`)
    }
  })

  it('refuses an origin that is longer than any, and shows its beginning', async () => {
    for (const answer of await ask('localhost', `http://${'xn--a-'.repeat(2_000)}`)) {
      expectProblem(answer, 403, 'forbidden')
      expect(answer.body.detail).toMatch(/the Origin was http:\/\/[xna-]+…$/)
      expect(answer.body.detail).toHaveLength(
        'pages of another origin may not call this route; the Origin was '.length + 301,
      )
    }
  })

  it('refuses a change from a page of another origin', async () => {
    const headers = { origin: 'http://evil.example', authorization, 'content-type': 'application/json' }
    const body = '{"capacity":1,"refillTokens":1}'
    const answer = await rawRequest(guarded.app.port, { method: 'PUT', path: '/config/k', headers, body })
    expectProblem(answer, 403, 'forbidden')
    const read = await rawRequest(guarded.app.port, { path: '/config/k', headers: { authorization } })
    expectProblem(read, 404, 'policy-not-found')
  })
})

describe('checks and /health', () => {
  it('accept any Host and any Origin', async () => {
    const headers = { host: 'throttler.example', origin: 'http://app.example', 'content-type': 'application/json' }
    const check = await rawRequest(open.app.port, { method: 'POST', path: '/check', headers, body: '{"key":"k"}' })
    expect(check.status).toBe(200)
    expect((await rawRequest(open.app.port, { path: '/health', headers })).status).toBe(200)
  })
})
