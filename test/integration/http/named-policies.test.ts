import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'
import { rememberedDenial } from '../../support/remembered-denial.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

/** No token of the built-in policy comes back during a test. */
const given = givenApp({ variables: { DEFAULT_REFILL_INTERVAL_MS: '1000000' } })
const client = () => given.app.client
/** Refills so slowly that no token comes back during a test. */
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

const post = (path: string, body: unknown) => client().request('POST', path, body)
const check = (key: string, policy?: unknown, tokens = 1) => post('/check', { key, tokens, policy })
const decisionIn = ({
  body: { allowed, policy, policyVersion, limit, remaining },
}: Awaited<ReturnType<typeof check>>) => ({
  allowed,
  policy,
  policyVersion,
  limit,
  remaining,
})

describe('a check that names a policy', () => {
  it('is decided by it, and spends from the bucket of its key', async () => {
    await client().put('gold', { ...SLOW, capacity: 100 })
    await client().put('gold', { ...SLOW, capacity: 200 })
    await client().put('free', { ...SLOW, capacity: 10 })
    expect(decisionIn(await check('u:1', 'gold', 8))).toEqual({
      allowed: true,
      policy: 'gold',
      policyVersion: 2,
      limit: 200,
      remaining: 192,
    })
    expect(decisionIn(await check('u:1', 'free'))).toMatchObject({ policy: 'free', policyVersion: 1, remaining: 1 })
    expect(decisionIn(await check('u:2', 'free'))).toMatchObject({ remaining: 9 })
    expect(decisionIn(await check('gold'))).toMatchObject({ policy: 'gold', remaining: 199 })
  })

  it('is counted in the same quota when the customer changes plans, and during and after an override', async () => {
    const monthly = (capacity: number) => ({ kind: 'quota', capacity, period: 'month', timeZone: 'Europe/Berlin' })
    await client().put('plan:free', monthly(100))
    await client().put('plan:gold', monthly(1_000))
    expect(decisionIn(await check('customer', 'plan:free', 60))).toMatchObject({ remaining: 40 })
    expect(decisionIn(await check('customer', 'plan:gold', 500))).toMatchObject({ policy: 'plan:gold', remaining: 440 })
    expect(decisionIn(await check('customer', 'plan:free'))).toMatchObject({ allowed: false, remaining: 0 })
    const endMs = Date.now() + 4_000
    const override = { ...monthly(5_000), expiresAt: new Date(endMs).toISOString() }
    expect((await client().put('customer', override)).status).toBe(201)
    expect(decisionIn(await check('customer', 'plan:gold', 300))).toMatchObject({
      policy: 'customer',
      remaining: 4_140,
    })
    await sleep(endMs + 1 - Date.now())
    const afterEnd = { policy: 'plan:gold', limit: 1_000, remaining: 140 }
    await eventually(
      async () => expect(decisionIn(await check('customer', 'plan:gold', 0))).toMatchObject(afterEnd),
      promised(1_000),
    )
  })

  it('may name a prefix, the catch-all, and the built-in policy', async () => {
    await client().put('*', { ...SLOW, capacity: 7 })
    await client().put('org:*', { ...SLOW, capacity: 8 })
    const policies = ['org:*', '*', 'default', undefined]
    const decisions = await Promise.all(policies.map(policy => check('named:1', policy, 0)))
    expect(decisions.map(decisionIn)).toMatchObject([
      { policy: 'org:*', limit: 8 },
      { policy: '*', limit: 7 },
      { policy: 'default', policyVersion: 0, limit: 100 },
      { policy: '*', limit: 7 },
    ])
    await client().delete('*')
  })

  it('is decided by the exact policy of its key if there is one, whatever it names', async () => {
    await client().put('special', { ...SLOW, capacity: 3 })
    for (const policy of ['gold', 'default', 'never-stored']) {
      expect(decisionIn(await check('special', policy, 0))).toMatchObject({ policy: 'special', limit: 3 })
    }
  })

  it('gets the denial, the fields and the mode of the named policy', async () => {
    await client().put('one', { ...SLOW, capacity: 1 })
    await client().put('closed', { mode: 'block' })
    await client().put('watched', { ...SLOW, capacity: 1, mode: 'shadow' })
    await check('u:3', 'one')
    const denied = await check('u:3', 'one')
    expectProblem(denied, 429, 'quota-exceeded')
    expect(denied.headers.get('ratelimit-policy')).toBe('"default";q=1;w=1000')
    expectProblem(await check('u:3', 'closed'), 429, 'blocked')
    expect((await check('u:3', 'watched')).body).toMatchObject({ allowed: true, shadowed: true, policy: 'watched' })
    expectProblem(await check('u:3', 'one', 2), 400, 'tokens-exceed-capacity')
  })

  it('is not answered by the denial that the process remembers of another policy', async () => {
    await client().put('few', { ...SLOW, capacity: 2 })
    await client().put('many', { ...SLOW, capacity: 20 })
    await check('u:4', 'few', 2)
    await check('u:4', 'few')
    expect((await rememberedDenial(() => check('u:4', 'few'))).body.policy).toBe('few')
    expect((await check('u:4', 'many')).body).toMatchObject({ allowed: true, policy: 'many', remaining: 17 })
    expect((await check('u:4', 'few')).body).toMatchObject({ allowed: false, policy: 'few', source: 'redis' })
    expect((await check('u:4')).body).toMatchObject({ allowed: true, policy: 'default', remaining: 96 })
  })

  it('is refused if no policy is stored under the name, and again once the policy is deleted', async () => {
    expectProblem(await check('u:5', 'plan'), 400, 'policy-unknown')
    await client().put('plan', { ...SLOW, capacity: 4 })
    expect(decisionIn(await check('u:5', 'plan'))).toMatchObject({ policy: 'plan', remaining: 3 })
    await client().delete('plan')
    const refused = await check('u:5', 'plan')
    expectProblem(refused, 400, 'policy-unknown')
    expect(refused.body.detail).toBe(
      'the check of "u:5" names the policy "plan", but none is stored under this config key',
    )
    expect((await check('u:5', undefined, 0)).body).toMatchObject({ policy: 'default', remaining: 99 })
    await client().put('plan', { ...SLOW, capacity: 4 })
    expect(decisionIn(await check('u:5', 'plan', 0))).toMatchObject({ policyVersion: 3, remaining: 3 })
  })

  it('gets 429 or 200 while it names a policy that is deleted and stored again, or is told that there is none', async () => {
    await client().put('flapping', { ...SLOW, capacity: 5 })
    let isOver = false
    const seen = new Set<string>()
    const askOn = async () => {
      while (!isOver) {
        const { status, body } = await check('u:6', 'flapping')
        seen.add(`${status} ${body.code ?? body.policy}`)
      }
    }
    const asking = Promise.all([askOn(), askOn()])
    for (let i = 0; i < 10; i++) {
      await client().delete('flapping')
      expectProblem(await check('u:7', 'flapping'), 400, 'policy-unknown')
      await client().put('flapping', { ...SLOW, capacity: 5 })
      expect((await check('u:7', 'flapping', 0)).status).toBe(200)
    }
    isOver = true
    await asking
    const possible = ['200 flapping', '400 policy-unknown', '429 quota-exceeded']
    expect([...seen].filter(outcome => !possible.includes(outcome))).toEqual([])
  })
})

describe('the items of a batch', () => {
  it('each name a policy or none; one that is unknown gets no decision', async () => {
    await client().put('batched', { ...SLOW, capacity: 30 })
    const { status, body } = await post('/check/batch', {
      checks: [
        { key: 'b:1', policy: 'batched' },
        { key: 'b:1', policy: 'gone' },
        { key: 'b:1' },
        { key: 'b:1', tokens: 2, policy: 'batched' },
      ],
    })
    expect(status).toBe(200)
    expect(body.results).toMatchObject([
      { allowed: true, policy: 'batched', remaining: 29 },
      {
        key: 'b:1',
        allowed: false,
        status: 400,
        code: 'policy-unknown',
        title: expect.any(String),
        detail: expect.stringContaining('"gone"'),
      },
      { allowed: true, policy: 'default', remaining: 98 },
      { allowed: true, policy: 'batched', remaining: 26 },
    ])
  })

  it('are all refused if one of them has an invalid name', async () => {
    const answer = await post('/check/batch', {
      checks: [{ key: 'b' }, { key: 'b', policy: 'a*b' }, { key: '', policy: '' }, { key: 'b', policy: 5 }],
    })
    expectFields(answer, 'validation-failed', ['/checks/1/policy', '/checks/2/key', '/checks/3/policy'])
    expectFields(await post('/check/batch', { checks: [{ key: 'b', policy: '' }] }), 'validation-failed', [
      '/checks/0/policy',
    ])
    expectFields(await post('/check/batch', { checks: [{ key: '', policy: '' }] }), 'key-invalid', ['/checks/0/key'])
  })
})

describe('forward-auth', () => {
  it('decides by the policy that the query names', async () => {
    await client().put('plan/ü&b', { ...SLOW, capacity: 2 })
    const path = `/forward-auth?key=f:1&tokens=2&policy=${encodeURIComponent('plan/ü&b')}`
    const allowed = await client().get(path)
    expect([allowed.status, allowed.headers.get('ratelimit')]).toEqual([200, '"default";r=0;t=1000'])
    expectProblem(await client().get(`${path}&deny=403`), 403, 'quota-exceeded')
    expectProblem(await client().get('/forward-auth?key=f:1&policy=gone'), 400, 'policy-unknown')
  })
})

describe('the live state of a key', () => {
  it('is shown under the policy that the query names, with its definition', async () => {
    await client().put('shown', { ...SLOW, capacity: 40, onStoreFailure: 'deny' })
    await check('s:1', undefined, 3)
    expect((await client().get('/buckets/s%3A1?policy=shown&tokens=0')).body).toMatchObject({
      key: 's:1',
      policy: 'shown',
      policyVersion: 1,
      remaining: 37,
      definition: { policy: 'shown', version: 1, limits: [{ capacity: 40 }], onStoreFailure: 'deny' },
    })
    expect((await client().get('/buckets/s%3A1?tokens=0')).body).toMatchObject({
      policy: 'default',
      remaining: 97,
      definition: { policy: 'default', version: 0 },
    })
    await client().put('s:1', { ...SLOW, capacity: 50 })
    expect((await client().get('/buckets/s%3A1?policy=shown')).body.definition).toMatchObject({ policy: 's:1' })
  })

  it('is not shown under a policy that does not exist', async () => {
    expectProblem(await client().get('/buckets/s%3A2?policy=gone'), 400, 'policy-unknown')
  })
})

describe('the name of a policy', () => {
  const NOT_A_CONFIG_KEY = 'must be a config key or "default": '
  const invalid: readonly [name: string, fault: string][] = [
    ['', 'the key is empty; 1 to 256 bytes of UTF-8 are allowed'],
    ['x'.repeat(257), 'the key has 257 bytes; 1 to 256 bytes of UTF-8 are allowed'],
    ['.', 'the key "." is not allowed'],
    ['a\u0000', 'the key contains the control character U+0000; U+0000–001F and U+007F–009F are not allowed'],
    ['a*b', 'the key has a "*" at position 2; "*" is allowed only at the end'],
    ['export', '"export" is reserved'],
  ]

  it.each(invalid)('may not be %.20j in a body or a query', async (name, fault) => {
    const encoded = encodeURIComponent(name)
    const refused = [
      [await check('k', name), '/policy'],
      [await client().get(`/forward-auth?key=k&policy=${encoded}`), '/query/policy'],
      [await client().get(`/buckets/k?policy=${encoded}`), '/query/policy'],
    ] as const
    for (const [answer, path] of refused) {
      expectFields(answer, 'validation-failed', [path])
      expect(answer.body.detail).toBe(`${path}: ${NOT_A_CONFIG_KEY}${fault}`)
    }
  })

  it.each([
    [5, '5'],
    [null, 'null'],
    [true, 'true'],
    [['gold'], 'an array'],
    [{ key: 'gold' }, 'an object'],
  ])('may not be %j', async (policy, was) => {
    const answer = await check('k', policy)
    expectFields(answer, 'validation-failed', ['/policy'])
    expect(answer.body.detail).toBe(`/policy: must be string; was ${was}`)
  })

  it('may be given once in a query, as percent-encoded UTF-8', async () => {
    for (const path of ['/forward-auth?key=k&', '/buckets/k?']) {
      expectFields(await client().get(`${path}policy=a&policy=b`), 'validation-failed', ['/query/policy'])
    }
    expectFields(await client().get('/buckets/k?policy=%FF'), 'validation-failed', ['/query/policy'])
  })
})

describe('the metrics', () => {
  it('have a label of its own for each policy that callers name, and none for one that a key has of its own', async () => {
    await client().put('measured', { ...SLOW, capacity: 10 })
    await client().put('m:own', { ...SLOW, capacity: 10 })
    for (const [key, policy] of [
      ['m:1', 'measured'],
      ['m:2', 'measured'],
      ['measured'],
      ['m:own', 'measured'],
    ] as const)
      await check(key, policy)
    const { text } = await client().get('/metrics')
    expect(text).toMatch(/^throttler_checks_total\{policy="measured",outcome="allowed",source="redis"\} 2$/m)
    expect(text).not.toContain('policy="m:own"')
    expect(text).toMatch(/^throttler_checks_total\{policy="exact",outcome="allowed",source="redis"\} \d+$/m)
  })
})
