import { describe, expect, it } from '@jest/globals'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client
/** Refills so slowly that no token comes back during a test. */
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

describe('a check', () => {
  it('that is allowed is answered with the state after spending', async () => {
    await client().put('fresh', { ...SLOW, capacity: 10 })
    const answer = await client().check('fresh', 3)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(answer.body).toEqual({
      allowed: true,
      key: 'fresh',
      policy: 'fresh',
      policyVersion: 1,
      limit: 10,
      remaining: 7,
      retryAfterMs: 0,
      resetAfterMs: 3_000_000,
      source: 'redis',
    })
  })

  it('that is denied is answered with a problem and every member of the decision, and spends nothing', async () => {
    await client().put('denied', { ...SLOW, capacity: 10 })
    await client().check('denied', 8)
    const answer = await client().check('denied', 3)
    expectProblem(answer, 429, 'quota-exceeded')
    const { retryAfterMs, resetAfterMs } = answer.body
    expect(answer.body).toMatchObject({
      title: 'The limit is exceeded',
      detail: '2 of 10 tokens left; 1 more every 1000000 ms',
      'violated-policies': ['default'],
      allowed: false,
      key: 'denied',
      policy: 'denied',
      policyVersion: 1,
      limit: 10,
      remaining: 2,
      source: 'redis',
    })
    expect(retryAfterMs).toBeGreaterThan(990_000)
    expect(retryAfterMs).toBeLessThanOrEqual(1_000_000)
    expect(resetAfterMs).toBe(retryAfterMs + 7_000_000)
    expect((await client().check('denied', 2)).body).toMatchObject({ allowed: true, remaining: 0 })
  })

  it('of 0 tokens reads and spends nothing, and is allowed even if the bucket is empty', async () => {
    await client().put('read', { ...SLOW, capacity: 2 })
    expect((await client().check('read', 0)).body).toMatchObject({ remaining: 2, resetAfterMs: 0 })
    await client().check('read', 2)
    const empty = await client().check('read', 0)
    expect(empty.status).toBe(200)
    expect(empty.body).toMatchObject({ allowed: true, remaining: 0, retryAfterMs: 0 })
  })

  it('of more tokens than the capacity is refused, naming the limit that is too small', async () => {
    const limits = [10, 5, 7].map((capacity, i) => ({ ...SLOW, name: `l${i}`, capacity }))
    await client().put('small', { limits })
    const answer = await client().check('small', 6)
    expectProblem(answer, 400, 'tokens-exceed-capacity')
    expect(answer.body.detail).toMatch(/^6 tokens .*"small".*"l1".* more than 5$/)
    expect(answer.headers.get('ratelimit')).toBeNull()
    expect((await client().check('small', 5)).status).toBe(200)
  })
})

describe('a policy with several limits', () => {
  const limits = [
    { ...SLOW, name: 'burst', capacity: 4 },
    { ...SLOW, name: 'daily', capacity: 10 },
  ]
  const values = (name: string, limit: number, remaining: number) => ({ name, limit, remaining, retryAfterMs: 0 })

  it('gives the values of the binding limit, and those of each limit', async () => {
    await client().put('several', { limits })
    const { body } = await client().check('several', 2)
    expect(body).toMatchObject({ limit: 4, remaining: 2, retryAfterMs: 0, resetAfterMs: 2_000_000 })
    const resetAfterMs = 2_000_000
    expect(body.limits).toEqual([
      { ...values('burst', 4, 2), resetAfterMs },
      { ...values('daily', 10, 8), resetAfterMs },
    ])
  })

  it('denies if one limit denies, and spends from none', async () => {
    const answer = await client().check('several', 3)
    expectProblem(answer, 429, 'quota-exceeded')
    expect(answer.body).toMatchObject({ limit: 4, remaining: 2, 'violated-policies': ['burst'] })
    expect(answer.body.detail).toBe('burst: 2 of 4 tokens left; 1 more every 1000000 ms')
    expect(answer.body.limits[0].retryAfterMs).toBe(answer.body.retryAfterMs)
    expect(answer.body.limits[1]).toMatchObject(values('daily', 10, 8))
  })

  it('names all limits that deny; the one with the longest wait binds', async () => {
    await client().put('both', {
      limits: [
        { ...limits[0], refillTokens: 2 },
        { ...limits[1], capacity: 4 },
      ],
    })
    await client().check('both', 4)
    const { body } = await client().check('both', 1)
    expect(body['violated-policies']).toEqual(['burst', 'daily'])
    expect(body.retryAfterMs).toBe(Math.max(...body.limits.map((l: { retryAfterMs: number }) => l.retryAfterMs)))
    expect(body.retryAfterMs).toBe(body.limits[1].retryAfterMs)
  })
})

describe('the mode', () => {
  it('shadow always allows, and reports a check that would have been denied', async () => {
    await client().put('shadow', { ...SLOW, capacity: 2, mode: 'shadow' })
    expect((await client().check('shadow', 2)).body).not.toHaveProperty('shadowed')
    const { status, body, headers } = await client().check('shadow', 1)
    expect(status).toBe(200)
    expect(body).toMatchObject({ allowed: true, shadowed: true, remaining: 0, 'violated-policies': ['default'] })
    expect(body.retryAfterMs).toBeGreaterThan(990_000)
    expect(headers.get('retry-after')).toBeNull()
  })

  it('shadow reports nothing for a check of 0 tokens', async () => {
    const { status, body } = await client().check('shadow', 0)
    expect(status).toBe(200)
    expect(body).toMatchObject({ allowed: true, remaining: 0, retryAfterMs: 0 })
    for (const member of ['shadowed', 'violated-policies']) expect(body).not.toHaveProperty(member)
  })

  it('shadow also allows more tokens than the capacity, with a retryAfterMs of null', async () => {
    const { status, body } = await client().check('shadow', 3)
    expect(status).toBe(200)
    expect(body).toMatchObject({ shadowed: true, retryAfterMs: null, 'violated-policies': ['default'] })
  })

  it('off allows every check, without a bucket', async () => {
    const limits = [7, 3].map(capacity => ({ ...SLOW, name: `l${capacity}`, capacity }))
    await client().put('off', { limits, mode: 'off' })
    for (const tokens of [0, 1, 1_000_000_000]) {
      const { status, body, headers } = await client().check('off', tokens)
      expect(status).toBe(200)
      expect(body).toMatchObject({ allowed: true, source: 'policy', limit: 7, remaining: 7, retryAfterMs: 0 })
      for (const field of ['ratelimit', 'ratelimit-policy']) expect(headers.get(field)).toBeNull()
    }
  })

  it('block denies every check, without a time to retry', async () => {
    await client().put('block', { ...SLOW, capacity: 7, mode: 'block' })
    for (const tokens of [0, 1, 1_000_000_000]) {
      const answer = await client().check('block', tokens)
      expectProblem(answer, 429, 'blocked')
      const decision = { allowed: false, key: 'block', policy: 'block', policyVersion: 1, limit: 7 }
      expect(answer.body).toMatchObject({ ...decision, remaining: 0, retryAfterMs: null, source: 'policy' })
      expect(answer.body).not.toHaveProperty('violated-policies')
      for (const field of ['retry-after', 'ratelimit', 'ratelimit-policy']) expect(answer.headers.get(field)).toBeNull()
    }
  })
})

describe('the policy of a key', () => {
  it('is its own, else that of the longest prefix, else the catch-all, else the default', async () => {
    const policyOf = async (key: string) => {
      const { body } = await client().check(key, 0)
      return `${body.policy} v${body.policyVersion}`
    }
    expect(await policyOf('user:42')).toBe('default v0')
    const expected: [configKey: string, of42: string, of7: string, ofOther: string][] = [
      ['*', '* v1', '* v1', '* v1'],
      ['user:*', 'user:* v1', 'user:* v1', '* v1'],
      ['user:4*', 'user:4* v1', 'user:* v1', '* v1'],
      ['user:42', 'user:42 v1', 'user:* v1', '* v1'],
    ]
    for (const [configKey, ...policies] of expected) {
      await client().put(configKey, { ...SLOW, capacity: 5 })
      expect([await policyOf('user:42'), await policyOf('user:7'), await policyOf('other')]).toEqual(policies)
    }
    await client().delete('user:42')
    expect(await policyOf('user:42')).toBe('user:4* v1')
    expect(await policyOf('user:*')).toBe('user:* v1')
    await client().delete('*')
  })

  it('of a prefix is a template: each key has a bucket of its own', async () => {
    await client().put('own:*', { ...SLOW, capacity: 1 })
    for (const key of ['own:a', 'own:b', 'own:']) expect((await client().check(key)).status).toBe(200)
    expectProblem(await client().check('own:a'), 429, 'quota-exceeded')
  })
})
