import { describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem, expectThousandSeconds } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { exchange, rawRequest } from './raw-http.ts'

const given = givenApp()
const client = () => given.app.client
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

describe('forward-auth', () => {
  it('allows with 200, no body and the RateLimit fields', async () => {
    await client().put('proxied', { ...SLOW, capacity: 10 })
    const answer = await client().get('/forward-auth?key=proxied&tokens=4')
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(answer.headers.get('ratelimit')).toBe('"default";r=6;t=1000')
    expect(answer.headers.get('ratelimit-policy')).toBe('"default";q=10;w=10000')
  })

  it('denies like a check, or with the status that `deny` requests', async () => {
    await client().put('spent', { ...SLOW, capacity: 1 })
    await client().get('/forward-auth?key=spent')
    const denied = await client().get('/forward-auth?key=spent')
    expectProblem(denied, 429, 'quota-exceeded')
    expectThousandSeconds(denied)
    const forbidden = await client().get('/forward-auth?key=spent&deny=403')
    expectProblem(forbidden, 403, 'quota-exceeded')
    expect(forbidden.headers.get('ratelimit')).toMatch(/^"default";r=0;t=(1000|99\d)$/)
    const decision = { allowed: false, key: 'spent', policy: 'spent', remaining: 0, 'violated-policies': ['default'] }
    for (const { body } of [denied, forbidden]) expect(body).toMatchObject(decision)
  })

  it('denies a blocked key with that status too', async () => {
    await client().put('shut', { ...SLOW, capacity: 1, mode: 'block' })
    expectProblem(await client().get('/forward-auth?key=shut'), 429, 'blocked')
    expectProblem(await client().get('/forward-auth?key=shut&deny=403'), 403, 'blocked')
  })

  it('answers a request for more tokens than the capacity with 400, not with a denial', async () => {
    await client().put('tiny', { ...SLOW, capacity: 1 })
    expectProblem(await client().get('/forward-auth?key=tiny&tokens=2&deny=403'), 400, 'tokens-exceed-capacity')
  })

  it('answers HEAD as GET: it spends, and a denial has no body', async () => {
    await client().put('headed', { ...SLOW, capacity: 1 })
    const allowed = await client().request('HEAD', '/forward-auth?key=headed')
    expect([allowed.status, allowed.headers.get('ratelimit')]).toEqual([200, '"default";r=0;t=1000'])
    const denied = await client().request('HEAD', '/forward-auth?key=headed')
    expect([denied.status, denied.text]).toEqual([429, ''])
    expectThousandSeconds(denied)
    expect((await client().request('HEAD', '/forward-auth?key=headed&deny=403')).status).toBe(403)
  })

  it('ignores the body that a proxy sends along', async () => {
    const headers = { 'content-type': 'text/plain', 'content-encoding': 'gzip' }
    const path = '/forward-auth?key=proxied&tokens=0'
    expect((await rawRequest(given.app.port, { path, headers, body: 'anything' })).status).toBe(200)
  })

  it('accepts percent-encoded keys', async () => {
    await client().put('a/ü&b', { ...SLOW, capacity: 5 })
    await client().get(`/forward-auth?key=${encodeURIComponent('a/ü&b')}`)
    expect((await client().check('a/ü&b', 0)).body).toMatchObject({ policy: 'a/ü&b', remaining: 4 })
  })

  it.each([
    ['', '/query/key', 'validation-failed'],
    ['?key=a&tokens=-1', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=many', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=1.5', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=0x10', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=1e3', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=%205', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=05', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=1.0', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=1000000001', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=1&tokens=1', '/query/tokens', 'validation-failed'],
    ['?key=a&deny=', '/query/deny', 'validation-failed'],
    ['?key=a&deny=no', '/query/deny', 'validation-failed'],
    ['?key=a&deny=404', '/query/deny', 'validation-failed'],
    ['?key=a&other=1', '/query/other', 'validation-failed'],
    ['?key=', '/query/key', 'key-invalid'],
    [`?key=${'x'.repeat(257)}`, '/query/key', 'key-invalid'],
    ['?key=%ED%A0%80', '/query/key', 'key-invalid'],
    ['?key=%', '/query/key', 'key-invalid'],
    ['?key=..', '/query/key', 'key-invalid'],
    ['?key=%00', '/query/key', 'key-invalid'],
    ['?key=%FF', '/query/key', 'key-invalid'],
    ['?key=a&policy=%FF', '/query/policy', 'validation-failed'],
  ])('refuses %.40j', async (query, path, code) => {
    expectFields(await client().get(`/forward-auth${query}`), code, [path])
  })

  it('states the allowed values of each invalid parameter', async () => {
    const { body } = await client().get('/forward-auth?key=a&tokens=many&deny=no')
    expect(body.detail).toBe(
      '/query/tokens: must be an integer from 0 to 1000000000; was "many"; /query/deny: must be one of 403; was "no"',
    )
  })

  it('refuses bytes that are not encoded', async () => {
    const request = Buffer.from('GET /forward-auth?key=\u00fc HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    const text = await exchange(given.app.port, request)
    expect(text).toMatch(/^HTTP\/1\.1 400 .*"code":"validation-failed"/s)
  })
})
