import { describe, expect, it } from '@jest/globals'
import type { Answer, Client } from '../../support/client.ts'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { exchange, rawRequest } from './raw-http.ts'

const ADMIN_TOKENS = 'alice:secret-of-an-admin,bob:secret-of-another,eve:secret-of-a-reader:read'
const POLICY = { capacity: 5, refillTokens: 1 }
const LINE = `${JSON.stringify({ key: 'k', ...POLICY })}\n`
const NDJSON = { 'content-type': 'application/x-ndjson' }

const open = givenApp()
const guarded = givenApp({ variables: { ADMIN_TOKENS, CHECK_TOKENS: 'gateway:secret-of-a-caller' } }, open)
const adminOnly = givenApp({ variables: { ADMIN_TOKENS } }, open)
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const as = (token: string) => guarded.app.as(bearer(token))

const ADMIN_CALLS: [string, (client: Client) => Promise<Answer>][] = [
  ['GET /config', client => client.get('/config')],
  ['GET /config/k', client => client.get('/config/k')],
  ['PUT /config/k', client => client.put('k', POLICY)],
  ['DELETE /config/k', client => client.delete('k')],
  ['GET /commands/x', client => client.get('/commands/x')],
]
const DRY_RUNS: typeof ADMIN_CALLS = [
  ['PUT /config/k?dryRun=true', client => client.request('PUT', '/config/k?dryRun=true', POLICY)],
  ['POST /config/import?dryRun=true', client => client.request('POST', '/config/import?dryRun=true', LINE, NDJSON)],
]
const CHANGES = ADMIN_CALLS.filter(([call]) => !call.startsWith('GET'))
const READS = ADMIN_CALLS.filter(([call]) => call.startsWith('GET'))

function expectUnauthorized(answer: Answer): void {
  expectProblem(answer, 401, 'unauthorized')
  expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /)
}

describe('with ADMIN_TOKENS', () => {
  it.each(ADMIN_CALLS)('%s needs a valid token, as a bearer token or as a password', async (_, call) => {
    for (const headers of [{}, bearer('wrong')]) expectUnauthorized(await call(guarded.app.as(headers)))
    for (const authorization of ['Bearer secret-of-an-admin', `Basic ${btoa('alice:secret-of-an-admin')}`]) {
      expect([401, 403]).not.toContain((await call(guarded.app.as({ authorization }))).status)
    }
  })

  it.each([
    'Bearer secret-of-an-admin2',
    'Bearer Secret-of-an-admin',
    'Bearer alice:secret-of-an-admin',
    'Bearer secret-of-an-admin,secret-of-another',
    'Bearer secret-of-an-admin x',
    'secret-of-an-admin',
    'Bearer',
    `Basic ${btoa('alice:wrong')}`,
    `Basic ${btoa('secret-of-an-admin:')}`,
    `Basic ${btoa('secret-of-an-admin')}`,
    'Basic !',
  ])('"%s" is not a valid token', async authorization => {
    expectUnauthorized(await guarded.app.as({ authorization }).get('/config'))
  })

  it.each(ADMIN_CALLS)('%s is forbidden to a check token', async (_, call) => {
    expectProblem(await call(as('secret-of-a-caller')), 403, 'forbidden')
  })

  it.each([...CHANGES, ...DRY_RUNS])('%s is forbidden to a read-only token', async (_, call) => {
    const answer = await call(as('secret-of-a-reader'))
    expectProblem(answer, 403, 'forbidden')
    expect(answer.body.detail).toContain('"eve" may only read')
  })

  it.each(READS)('%s is allowed to a read-only token, and so is HEAD', async (what, call) => {
    expect([401, 403]).not.toContain((await call(as('secret-of-a-reader'))).status)
    const path = what.replace('GET ', '')
    const head = await rawRequest(guarded.app.port, { method: 'HEAD', path, headers: bearer('secret-of-a-reader') })
    expect([401, 403]).not.toContain(head.status)
  })

  it('the case of the scheme does not matter', async () => {
    expect((await guarded.app.as({ authorization: 'bEARER  secret-of-an-admin ' }).get('/config')).status).toBe(200)
  })

  it('the actor is the name of the token; without ADMIN_TOKENS it is anonymous', async () => {
    expect((await as('secret-of-another').put('named', POLICY)).body.updatedBy).toBe('bob')
    expect((await as('secret-of-a-reader').get('/config/named')).body.updatedBy).toBe('bob')
    expect((await open.app.client.put('named', POLICY)).body.updatedBy).toBe('anonymous')
  })

  it.each(['/health', '/ready', '/metrics'])('%s needs no token', async path => {
    expect((await guarded.app.client.get(path)).status).toBe(200)
  })

  it('404, 405 and OPTIONS need no token', async () => {
    const { client } = guarded.app
    expectProblem(await client.get('/nothing'), 404, 'not-found')
    expectProblem(await client.request('PATCH', '/config/k'), 405, 'method-not-allowed')
    expect((await client.request('OPTIONS', '/config/k')).status).toBe(204)
  })
})

describe('POST /check', () => {
  it('is open to everybody without CHECK_TOKENS', async () => {
    for (const headers of [{}, bearer('wrong'), bearer('secret-of-a-reader')]) {
      expect((await adminOnly.app.as(headers).check('k')).status).toBe(200)
    }
  })

  it('needs one of CHECK_TOKENS, or an admin token', async () => {
    for (const headers of [{}, bearer('wrong')]) expectUnauthorized(await guarded.app.as(headers).check('k'))
    for (const token of ['secret-of-a-caller', 'secret-of-an-admin', 'secret-of-another']) {
      expect((await as(token).check('k')).status).toBe(200)
    }
  })

  it('accepts the token as a password too, but not from a page of another origin', async () => {
    const authorization = `Basic ${btoa('alice:secret-of-an-admin')}`
    const { port, url } = guarded.app
    expect((await guarded.app.as({ authorization }).check('k')).status).toBe(200)
    expect((await guarded.app.as({ authorization, origin: url }).check('k')).status).toBe(200)
    for (const origin of ['http://evil.example', `http://127.0.0.1:${port + 1}`, 'null']) {
      expectProblem(await guarded.app.as({ authorization, origin }).check('k'), 403, 'forbidden')
      expect((await guarded.app.as({ ...bearer('secret-of-a-caller'), origin }).check('k')).status).toBe(200)
    }
  })

  it('is forbidden to a read-only admin token, since a check spends', async () => {
    expectProblem(await as('secret-of-a-reader').check('k'), 403, 'forbidden')
    const { body } = await as('secret-of-a-caller').check('read-only', 0)
    const answer = await as('secret-of-a-reader').get('/forward-auth?key=read-only&tokens=5')
    expectProblem(answer, 403, 'forbidden')
    expect(answer.body.detail).toContain('"eve" may only read')
    expect((await as('secret-of-a-caller').check('read-only', 0)).body.remaining).toBe(body.remaining)
  })
})

describe('callers are authorized before their body is read:', () => {
  const garbage = 'x'.repeat(1_000_000)

  it.each([
    ['POST', '/check', 'wrong', 401],
    ['PUT', '/config/k', 'wrong', 401],
    ['PUT', '/config/k', 'secret-of-a-caller', 403],
    ['DELETE', '/config/k', 'secret-of-a-reader', 403],
  ])('%s %s with a megabyte of garbage and the token %s is %i', async (method, path, token, status) => {
    const headers = { ...bearer(token), 'content-type': 'x/y', 'content-encoding': 'gzip' }
    const answer = await rawRequest(guarded.app.port, { method, path, headers, body: garbage })
    expectProblem(answer, status, status === 401 ? 'unauthorized' : 'forbidden')
  })

  it('a body that never arrives is not waited for', async () => {
    const head = 'POST /check HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1000000\r\n\r\n'
    expect(await exchange(guarded.app.port, head)).toMatch(/^HTTP\/1\.1 401 /)
  })
})
