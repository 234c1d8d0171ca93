import { beforeAll, describe, expect, it } from '@jest/globals'
import { rememberedDenial } from '../../support/remembered-denial.ts'
import { expectFields, expectProblem, expectThousandSeconds } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client
/** Refills so slowly that no token comes back during a test. */
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

const checkAll = (checks: readonly unknown[], more: object = {}) =>
  client().request('POST', '/check/all', { checks, ...more })
const remainingOf = async (key: string) => (await client().check(key, 0)).body.remaining

beforeAll(async () => {
  await client().put('ten:*', { ...SLOW, capacity: 10 })
  await client().put('two:*', { ...SLOW, capacity: 2 })
  await client().put('plan:gold', { ...SLOW, capacity: 1_000 })
  await client().put('shut', { mode: 'block' })
  await client().put('open', { mode: 'off' })
})

describe('POST /check/all', () => {
  it('spends from each key if all allow, and answers with the check that has the smallest part left', async () => {
    const checks = [{ key: 'ten:a' }, { key: 'two:a' }, { key: 'b', tokens: 3, policy: 'plan:gold' }]
    const answer = await checkAll(checks, { tokens: 2 })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ allowed: true, key: 'two:a', policy: 'two:*', remaining: 0, source: 'redis' })
    expect(answer.body.results).toMatchObject([
      { allowed: true, key: 'ten:a', limit: 10, remaining: 8 },
      { allowed: true, key: 'two:a', limit: 2, remaining: 0 },
      { allowed: true, key: 'b', policy: 'plan:gold', remaining: 997 },
    ])
    expect(answer.headers.get('ratelimit')).toMatch(/^"default";r=0;t=1000$/)
    expect(answer.headers.get('ratelimit-policy')).toBe('"default";q=2;w=2000')
  })

  it('spends from none if one denies, and answers with the problem of that one', async () => {
    await client().check('two:b', 2)
    const answer = await checkAll([{ key: 'ten:b' }, { key: 'two:b' }])
    expectProblem(answer, 429, 'quota-exceeded')
    expect(answer.body).toMatchObject({ allowed: false, key: 'two:b', remaining: 0, 'violated-policies': ['default'] })
    expect(answer.body.detail).toBe('0 of 2 tokens left; 1 more every 1000000 ms')
    expect(answer.body.results).toMatchObject([
      { allowed: true, key: 'ten:b', remaining: 10, retryAfterMs: 0 },
      { allowed: false, key: 'two:b', remaining: 0, 'violated-policies': ['default'] },
    ])
    expectThousandSeconds(answer)
    expect(answer.headers.get('ratelimit')).toBe(`"default";r=0;t=${answer.headers.get('retry-after')}`)
    expect(await remainingOf('ten:b')).toBe(10)
  })

  it('is denied with the problem of a blocked key, and says nothing of the others', async () => {
    const answer = await checkAll([{ key: 'ten:c' }, { key: 'shut' }, { key: 'open' }])
    expectProblem(answer, 429, 'blocked')
    const unknown = { remaining: null, retryAfterMs: null, resetAfterMs: null, source: 'policy' }
    expect(answer.body.results).toMatchObject([
      { allowed: true, key: 'ten:c', limit: 10, ...unknown },
      { allowed: false, key: 'shut', remaining: 0, code: 'blocked' },
      { allowed: true, key: 'open', remaining: null },
    ])
    for (const field of ['retry-after', 'ratelimit']) expect(answer.headers.get(field)).toBeNull()
  })

  it('has no RateLimit fields if nothing is counted', async () => {
    const answer = await checkAll([{ key: 'open' }])
    expect([answer.status, answer.headers.get('ratelimit')]).toEqual([200, null])
    expect(answer.body).toMatchObject({ allowed: true, source: 'policy', results: [{ key: 'open' }] })
  })

  it('lets a key under a shadow policy through, and spends nothing of it if it would be denied', async () => {
    await client().put('watched', { ...SLOW, capacity: 1, mode: 'shadow' })
    await checkAll([{ key: 'watched' }, { key: 'ten:d' }])
    const { status, body } = await checkAll([{ key: 'watched' }, { key: 'ten:d' }])
    expect(status).toBe(200)
    expect(body.results).toMatchObject([
      { key: 'watched', allowed: true, shadowed: true, remaining: 0, 'violated-policies': ['default'] },
      { key: 'ten:d', allowed: true, remaining: 8 },
    ])
  })

  it('is decided atomically among concurrent calls', async () => {
    await client().put('org', { ...SLOW, capacity: 7 })
    await client().put('member:*', { ...SLOW, capacity: 5 })
    const calls = Array.from({ length: 20 }, (_, i) => checkAll([{ key: `member:${i % 2}` }, { key: 'org' }]))
    const statuses = (await Promise.all(calls)).map(({ status }) => status)
    expect(statuses.filter(status => status === 200)).toHaveLength(7)
    const left = await Promise.all(['member:0', 'member:1', 'org'].map(remainingOf))
    expect(left[2]).toBe(0)
    expect((left[0] as number) + (left[1] as number)).toBe(3)
  })

  it('makes a remembered denial of its keys obsolete only by spending', async () => {
    await client().put('quick', { capacity: 1, refillTokens: 1, refillIntervalMs: 1_000_000 })
    await client().check('quick')
    expect((await client().check('quick')).status).toBe(429)
    await rememberedDenial(() => client().check('quick'))
    expect((await checkAll([{ key: 'quick' }, { key: 'ten:e' }])).body.source).toBe('redis')
  })

  it.each([
    ['a policy that is not stored', [{ key: 'a', policy: 'gone' }], 'policy-unknown'],
    ['more tokens than a limit holds', [{ key: 'ten:f', tokens: 11 }], 'tokens-exceed-capacity'],
  ])('refuses %s, even with a blocked key, and spends nothing', async (_, checks, code) => {
    expectProblem(await checkAll([{ key: 'shut' }, ...checks]), 400, code)
    expectProblem(await checkAll([{ key: 'ten:g' }, ...checks]), 400, code)
    expect(await remainingOf('ten:g')).toBe(10)
  })

  const seventeen = Array.from({ length: 17 }, (_, i) => ({ key: `k${i}` }))
  it.each<[string, unknown, string, string[]]>([
    ['no checks', { checks: [] }, 'validation-failed', ['/checks']],
    ['17 checks', { checks: seventeen }, 'validation-failed', ['/checks']],
    ['no list', { checks: { key: 'a' } }, 'validation-failed', ['/checks']],
    ['a check without a key', { checks: [{ tokens: 1 }] }, 'validation-failed', ['/checks/0/key']],
    [
      'the same key twice',
      { checks: [{ key: 'a' }, { key: 'b' }, { key: 'a' }] },
      'validation-failed',
      ['/checks/2/key'],
    ],
    ['an invalid key', { checks: [{ key: 'a' }, { key: '' }] }, 'key-invalid', ['/checks/1/key']],
    ['a negative number', { checks: [{ key: 'a', tokens: -1 }] }, 'validation-failed', ['/checks/0/tokens']],
    ['a fraction', { checks: [{ key: 'a' }], tokens: 1.5 }, 'validation-failed', ['/tokens']],
    ['a huge number', { checks: [{ key: 'a', tokens: 1e9 + 1 }] }, 'validation-failed', ['/checks/0/tokens']],
    ['an unknown member', { checks: [{ key: 'a', cost: 1 }] }, 'validation-failed', ['/checks/0/cost']],
    [
      'names that are not config keys',
      { checks: [{ key: 'a', policy: 'a*b' }, { key: '..' }] },
      'validation-failed',
      ['/checks/1/key', '/checks/0/policy'],
    ],
  ])('refuses %s', async (_, body, code, paths) => {
    expectFields(await client().request('POST', '/check/all', body), code, paths)
  })

  it('says what is allowed of each invalid member', async () => {
    const { body } = await checkAll([{ key: 'a' }, { key: 'a' }])
    expect(body.detail).toBe('/checks/1/key: must be another key; "a" is /checks/0/key already')
    expect((await checkAll(seventeen)).body.detail).toBe('/checks: must have 1 to 16 items; has 17')
    const keys = seventeen.map(({ key }) => `key=${key}`).join('&')
    expect((await client().get(`/forward-auth?${keys}`)).body.detail).toBe(
      '/query/key: must have 1 to 16 items; has 17',
    )
  })
})

describe('GET /forward-auth with several keys', () => {
  const ask = (query: string) => client().get(`/forward-auth?${query}`)

  it('spends from each key if all allow', async () => {
    const answer = await ask('key=ten:h&key=two:h')
    expect([answer.status, answer.text, answer.headers.get('ratelimit')]).toEqual([200, '', '"default";r=1;t=1000'])
    expect([await remainingOf('ten:h'), await remainingOf('two:h')]).toEqual([9, 1])
  })

  it('takes tokens and policy once for all, or for each key in order', async () => {
    expect((await ask('key=ten:i&key=ten:j&tokens=2')).status).toBe(200)
    expect((await ask('key=ten:i&key=x&tokens=3&tokens=4&policy=ten:*&policy=plan:gold')).status).toBe(200)
    expect([await remainingOf('ten:i'), await remainingOf('ten:j')]).toEqual([5, 8])
    const { body } = await client().get('/buckets/x?policy=plan:gold&tokens=0')
    expect(body.remaining).toBe(996)
  })

  it('denies like POST /check/all, or with the status that `deny` requests', async () => {
    await client().check('two:k', 2)
    expectProblem(await ask('key=ten:k&key=two:k'), 429, 'quota-exceeded')
    const forbidden = await ask('key=ten:k&key=two:k&deny=403')
    expectProblem(forbidden, 403, 'quota-exceeded')
    expect(forbidden.body.results).toMatchObject([
      { key: 'ten:k', allowed: true },
      { key: 'two:k', allowed: false },
    ])
    expect(await remainingOf('ten:k')).toBe(10)
  })

  it.each([
    ['key=a&key=a', '/query/key/1', 'validation-failed'],
    ['key=a&key=', '/query/key/1', 'key-invalid'],
    ['key=a&key=b&tokens=x', '/query/tokens/0', 'validation-failed'],
    ['key=a&key=b&tokens=1&tokens=-1', '/query/tokens/1', 'validation-failed'],
    ['key=a&key=b&key=c&tokens=1&tokens=1', '/query/tokens', 'validation-failed'],
    ['key=a&key=b&policy=c&policy=d&policy=e', '/query/policy', 'validation-failed'],
    ['key=a&key=b&policy=a*b', '/query/policy', 'validation-failed'],
    ['key=a&key=b&policy=c&policy=a*b', '/query/policy/1', 'validation-failed'],
    ['key=a&key=b&deny=404', '/query/deny', 'validation-failed'],
    ['key=a&key=b&other=1', '/query/other', 'validation-failed'],
    [Array.from({ length: 17 }, (_, i) => `key=${i}`).join('&'), '/query/key', 'validation-failed'],
    ['key=a&key=%FF', '/query/key', 'key-invalid'],
  ])('refuses %.60s', async (query, path, code) => {
    expectFields(await ask(query), code, [path])
  })

  it('says how often a parameter can be given', async () => {
    expect((await ask('key=a&key=b&key=c&tokens=1&tokens=1')).body.detail).toBe(
      '/query/tokens: must be given once, or as often as key, which is 3 times; was given 2 times',
    )
  })
})
