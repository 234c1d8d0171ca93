import { describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

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

  it('denies like a check, or with the status that the proxy knows', async () => {
    await client().put('spent', { ...SLOW, capacity: 1 })
    await client().get('/forward-auth?key=spent')
    const denied = await client().get('/forward-auth?key=spent')
    expectProblem(denied, 429, 'quota-exceeded')
    expect(denied.headers.get('retry-after')).toBe('1000')
    const forbidden = await client().get('/forward-auth?key=spent&deny=403')
    expectProblem(forbidden, 403, 'quota-exceeded')
    expect(forbidden.headers.get('ratelimit')).toBe(denied.headers.get('ratelimit'))
  })

  it('takes percent-encoded keys', async () => {
    await client().put('a/ü&b', { ...SLOW, capacity: 5 })
    await client().get(`/forward-auth?key=${encodeURIComponent('a/ü&b')}`)
    expect((await client().check('a/ü&b', 0)).body).toMatchObject({ policy: 'a/ü&b', remaining: 4 })
  })

  it.each([
    ['', '/query/key', 'validation-failed'],
    ['?key=a&tokens=-1', '/query/tokens', 'validation-failed'],
    ['?key=a&tokens=many', '/query/tokens', 'validation-failed'],
    ['?key=a&deny=404', '/query/deny', 'validation-failed'],
    ['?key=a&other=1', '/query/other', 'validation-failed'],
    ['?key=..', '/query/key', 'key-invalid'],
    ['?key=%00', '/query/key', 'key-invalid'],
    ['?key=%FF', '/query/key', 'key-invalid'],
  ])('refuses %j', async (query, path, code) => {
    expectFields(await client().get(`/forward-auth${query}`), code, [path])
  })
})
