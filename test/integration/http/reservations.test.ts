import { beforeAll, describe, expect, it } from '@jest/globals'
import type { Answer } from '../../support/client.ts'
import { eventually } from '../../support/eventually.ts'
import { expectFields, expectProblem, expectThousandSeconds } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

// A busy machine must not make it refuse any of the thousands of calls.
const given = givenApp({ variables: { EVENT_LOOP_LAG_MS: '60000' } })
const client = () => given.app.client
/** Refills so slowly that no token comes back during a test. */
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }
const LONG_MS = 60_000

const reserve = (body: object, headers = {}) => client().request('POST', '/reservations', body, headers)
const settle = (id: string, body?: object) => client().request('POST', `/reservations/${id}/settle`, body)
const extend = (id: string, body?: object) => client().request('POST', `/reservations/${id}/extend`, body)
const release = (id: string) => client().request('DELETE', `/reservations/${id}`)
const read = (id: string) => client().get(`/reservations/${id}`)
const remainingOf = async (key: string) => (await client().check(key, 0)).body.remaining
const held = async (key: string, tokens: number): Promise<string> => (await reserve({ key, tokens })).body.id

beforeAll(async () => {
  await client().put('ten:*', { ...SLOW, capacity: 10 })
  await client().put('two:*', { ...SLOW, capacity: 2 })
  await client().put('shut', { mode: 'block' })
  await client().put('open', { mode: 'off' })
  await client().put('watched:*', { ...SLOW, capacity: 1, mode: 'shadow' })
})

describe('a reservation', () => {
  it('holds its tokens until it is settled, and then costs what was settled', async () => {
    const created = await reserve({ key: 'ten:a', tokens: 6, ttlMs: LONG_MS })
    expect(created.status).toBe(201)
    expect(created.body).toMatchObject({ allowed: true, key: 'ten:a', limit: 10, remaining: 4, source: 'redis' })
    expect(created.body).not.toHaveProperty('results')
    const { id, expiresAt } = created.body
    expect(created.headers.get('location')).toBe(`/reservations/${id}`)
    expect(created.headers.get('ratelimit')).toMatch(/^"default";r=4;t=\d+$/)
    expect(Math.abs(Date.parse(expiresAt) - Date.now() - LONG_MS)).toBeLessThan(5_000)
    expect((await client().check('ten:a', 5)).status).toBe(429)
    expect((await read(id)).body).toEqual({ id, status: 'held', checks: [{ key: 'ten:a', tokens: 6 }], expiresAt })

    const settled = await settle(id, { tokens: 2 })
    expect(settled.status).toBe(200)
    expect(settled.body).toMatchObject({
      id,
      status: 'settled',
      checks: [{ key: 'ten:a', tokens: 2, charged: 2 }],
      allowed: true,
      remaining: 8,
    })
    expect(settled.headers.get('ratelimit')).toMatch(/^"default";r=8;t=\d+$/)
    expect((await read(id)).body).toMatchObject({
      status: 'settled',
      checks: [{ key: 'ten:a', tokens: 6, charged: 2 }],
    })
    expect(await remainingOf('ten:a')).toBe(8)
  })

  it('of 0 tokens leaves a full limit without a time until the next token', async () => {
    const fast = { name: 'fast', capacity: 5, refillTokens: 10, refillIntervalMs: 3 }
    await client().put('both', { limits: [fast, { ...SLOW, name: 'slow', capacity: 2 }] })
    await client().check('both')
    await held('both', 0)
    await eventually(async () => {
      const { headers } = await client().check('both', 0)
      expect(headers.get('ratelimit')).toMatch(/^"fast";r=5, "slow";r=1;t=\d+$/)
    })
  })

  it('of several keys holds tokens of all, or of none', async () => {
    const checks = [{ key: 'ten:b' }, { key: 'two:b', tokens: 1 }]
    const created = await reserve({ checks, tokens: 4 })
    expect(created.status).toBe(201)
    expect(created.body.results).toMatchObject([
      { key: 'ten:b', remaining: 6 },
      { key: 'two:b', remaining: 1 },
    ])
    const denied = await reserve({ checks: [{ key: 'ten:b' }, { key: 'two:b' }], tokens: 2 })
    expectProblem(denied, 429, 'quota-exceeded')
    expect(denied.body.results).toMatchObject([
      { key: 'ten:b', allowed: true, remaining: 6 },
      { key: 'two:b', allowed: false, remaining: 1 },
    ])
    const amounts = [
      { key: 'two:b', tokens: 0 },
      { key: 'ten:b', tokens: 5 },
    ]
    const settled = await settle(created.body.id, { checks: amounts })
    expect(settled.body).toMatchObject({
      key: 'ten:b',
      checks: [
        { key: 'ten:b', tokens: 5, charged: 5 },
        { key: 'two:b', tokens: 0, charged: 0 },
      ],
      results: [
        { key: 'ten:b', remaining: 5 },
        { key: 'two:b', remaining: 2 },
      ],
    })
  })

  it('that is denied holds nothing', async () => {
    await client().check('two:c', 1)
    const denied = await reserve({ key: 'two:c', tokens: 2 })
    expectProblem(denied, 429, 'quota-exceeded')
    expectThousandSeconds(denied)
    expect(denied.body).toMatchObject({ allowed: false, key: 'two:c', remaining: 1, 'violated-policies': ['default'] })
    expect(denied.body).not.toHaveProperty('results')
    expectProblem(await reserve({ key: 'shut' }), 429, 'blocked')
    expect((await client().get('/buckets/two:c')).body).not.toHaveProperty('held')
  })

  it('that nothing counts has no id', async () => {
    const off = await reserve({ key: 'open' })
    expect([off.status, off.headers.get('location')]).toEqual([201, null])
    expect(off.body).toMatchObject({ id: null, expiresAt: null, allowed: true, source: 'policy' })
    await client().check('watched:a')
    const shadowed = await reserve({ key: 'watched:a' })
    expect([shadowed.status, shadowed.body.id, shadowed.body.shadowed]).toEqual([201, null, true])
    expect((await reserve({ key: 'watched:b' })).body.id).toEqual(expect.any(String))
  })

  it('names keys that hold nothing like the others', async () => {
    const { body } = await reserve({ checks: [{ key: 'open' }, { key: 'ten:d' }], tokens: 3 })
    const settled = await settle(body.id, { tokens: 2 })
    expect(settled.body.checks).toEqual([
      { key: 'open', tokens: 2, charged: 0 },
      { key: 'ten:d', tokens: 2, charged: 2 },
    ])
    expect(await remainingOf('ten:d')).toBe(8)
  })

  it('is shown by its bucket until the bucket is reset', async () => {
    const id = await held('ten:e', 3)
    const { body } = await client().get('/buckets/ten:e')
    expect(body).toMatchObject({ remaining: 7, held: [{ id, tokens: 3, expiresAt: expect.stringMatching(/Z$/) }] })
    expect((await client().request('DELETE', '/buckets/ten:e')).status).toBe(204)
    const reset = await client().get('/buckets/ten:e')
    expect([reset.body.remaining, reset.body.held]).toEqual([10, undefined])
    const extended = await extend(id)
    expectProblem(extended, 409, 'reservation-ended')
    expect(extended.body.ended).toBe('released')
    expect((await settle(id, { tokens: 4 })).body).toMatchObject({ checks: [{ charged: 4 }], remaining: 6 })
  })
})

describe('settling', () => {
  it('without a body settles what was reserved', async () => {
    const empty: { body?: object; headers?: Record<string, string> }[] = [
      {},
      { headers: { 'content-type': 'application/json' } },
      { headers: { 'content-type': 'application/json' }, body: {} },
    ]
    for (const [i, { body, headers = {} }] of empty.entries()) {
      const id = await held(`ten:f${i}`, 3)
      const path = `/reservations/${id}/settle`
      const text = body === undefined ? '' : JSON.stringify(body)
      const answer = await rawRequest(given.app.port, { method: 'POST', path, headers, body: text })
      expect([answer.status, answer.body.checks]).toEqual([200, [{ key: `ten:f${i}`, tokens: 3, charged: 3 }]])
    }
  })

  it('charges every limit that the bucket records, also one that only another reservation of 0 tokens was decided by', async () => {
    await client().put('moved', { ...SLOW, capacity: 10 })
    const id = await held('moved', 4)
    await client().put('moved', { limits: [{ ...SLOW, name: 'other', capacity: 20 }] })
    await held('moved', 0)
    expect((await settle(id, { tokens: 3 })).body.checks).toEqual([{ key: 'moved', tokens: 3, charged: 3 }])
    expect(await remainingOf('moved')).toBe(17)
    await client().put('moved', { ...SLOW, capacity: 10 })
    expect(await remainingOf('moved')).toBe(7)
  })

  it('charges no limit that came with a later policy and that nothing was decided by', async () => {
    await client().put('unmoved', { ...SLOW, capacity: 10 })
    const id = await held('unmoved', 4)
    await client().put('unmoved', { limits: [{ ...SLOW, name: 'other', capacity: 20 }] })
    expect((await settle(id, { tokens: 3 })).status).toBe(200)
    expect(await remainingOf('unmoved')).toBe(20)
  })

  it('again with the same amounts gets the same answer and charges nothing twice; other amounts are refused', async () => {
    const id = await held('ten:g', 3)
    const [first, again] = [await settle(id, { tokens: 4 }), await settle(id, { tokens: 4 })]
    expect(again.body.checks).toEqual(first.body.checks)
    expect(await remainingOf('ten:g')).toBe(6)
    const other = await settle(id, { tokens: 5 })
    expectProblem(other, 409, 'reservation-ended')
    expect(other.body).toMatchObject({ ended: 'settled', detail: `the reservation "${id}" was settled already` })
    for (const answer of [await release(id), await extend(id)]) {
      expectProblem(answer, 409, 'reservation-ended')
      expect(answer.body.ended).toBe('settled')
    }
  })

  it('a cost above the limit charges into debt, of which a check of 0 tokens learns', async () => {
    const id = await held('ten:h', 5)
    const { body, headers } = await settle(id, { tokens: 14 })
    expect(body).toMatchObject({ allowed: false, remaining: 0, checks: [{ tokens: 14, charged: 14 }] })
    expect(headers.get('retry-after')).toMatch(/^\d+$/)
    expect((await client().check('ten:h', 0)).status).toBe(429)
    const more = await held('ten:i', 1)
    expect((await settle(more, { tokens: 1_000_000_000 })).body.checks).toEqual([
      { key: 'ten:i', tokens: 1_000_000_000, charged: 20 },
    ])
  })

  it('makes a remembered denial obsolete', async () => {
    const id = await held('two:j', 2)
    expect((await client().check('two:j')).status).toBe(429)
    await settle(id, { tokens: 1 })
    expect((await client().check('two:j')).status).toBe(200)
  })

  it.each<[string, object, string[]]>([
    ['a negative number', { tokens: -1 }, ['/tokens']],
    ['a fraction', { tokens: 1.5 }, ['/tokens']],
    ['a huge number', { tokens: 1e9 + 1 }, ['/tokens']],
    ['text', { tokens: '1' }, ['/tokens']],
    ['an unknown member', { cost: 1 }, ['/cost']],
    ['tokens and checks', { tokens: 1, checks: [{ key: 'ten:k', tokens: 1 }] }, ['/tokens']],
    ['a check without tokens', { checks: [{ key: 'ten:k' }] }, ['/checks/0/tokens']],
    ['no checks', { checks: [] }, ['/checks']],
    ['the same key twice', { checks: [1, 2].map(tokens => ({ key: 'ten:k', tokens })) }, ['/checks/1/key']],
    ['a key that was not reserved', { checks: [{ key: 'other', tokens: 1 }] }, ['/checks']],
    ['only one of several keys', { checks: [{ key: 'ten:k', tokens: 1 }] }, ['/checks']],
    ['one key too many', { checks: ['ten:k', 'two:k', 'x'].map(key => ({ key, tokens: 1 })) }, ['/checks']],
  ])('refuses %s, and charges nothing', async (_, body, paths) => {
    const created = await reserve({ checks: [{ key: 'ten:k' }, { key: 'two:k' }] })
    const { id } = created.body
    expectFields(await settle(id, body), 'validation-failed', paths)
    expect((await read(id)).body.status).toBe('held')
    expect((await release(id)).status).toBe(204)
  })

  it('names the keys of the reservation if others are given', async () => {
    const { body } = await reserve({ checks: [{ key: 'ten:l' }, { key: 'two:l' }] })
    const { detail } = (await settle(body.id, { checks: [{ key: 'ten:l', tokens: 1 }] })).body
    expect(detail).toBe('/checks: must name each key of the reservation once, and no other: "ten:l", "two:l"')
  })
})

describe('releasing', () => {
  it('gives back all that was held, and can be repeated', async () => {
    const id = await held('ten:m', 9)
    for (let i = 0; i < 2; i++) {
      const { status, text } = await release(id)
      expect([status, text, await remainingOf('ten:m')]).toEqual([204, '', 10])
    }
    expect((await read(id)).body).toMatchObject({ status: 'released', checks: [{ tokens: 9, charged: 0 }] })
    const settled = await settle(id, { tokens: 1 })
    expectProblem(settled, 409, 'reservation-ended')
    expect(settled.body.ended).toBe('released')
  })
})

describe('the expiry', () => {
  it('moves when the reservation is extended, by default as far as at the start', async () => {
    const { body } = await reserve({ key: 'ten:n', ttlMs: 300_000 })
    const shorter = await extend(body.id, { ttlMs: 100_000 })
    expect(shorter.status).toBe(200)
    expect(Object.keys(shorter.body)).toEqual(['id', 'expiresAt'])
    expect(Date.parse(shorter.body.expiresAt)).toBeLessThan(Date.parse(body.expiresAt))
    const asBefore = await extend(body.id)
    expect(Date.parse(asBefore.body.expiresAt)).toBeGreaterThanOrEqual(Date.parse(body.expiresAt))
    expect((await read(body.id)).body.expiresAt).toBe(asBefore.body.expiresAt)
  })

  it('charges what was held, or releases it; a late settlement charges only what exceeds that', async () => {
    const [charged, released] = await Promise.all([
      reserve({ key: 'ten:o', tokens: 4, ttlMs: 1_000 }),
      reserve({ key: 'ten:p', tokens: 4, ttlMs: 1_000, onExpiry: 'release' }),
    ])
    const statusOf = async ({ body }: Answer) => (await read(body.id)).body.status
    await eventually(async () => {
      expect([await statusOf(charged), await statusOf(released)]).toEqual(['expired', 'expired'])
    })
    expect([await remainingOf('ten:o'), await remainingOf('ten:p')]).toEqual([6, 10])
    const extended = await extend(charged.body.id)
    expectProblem(extended, 409, 'reservation-ended')
    expect(extended.body.ended).toBe('expired')
    expect((await settle(charged.body.id, { tokens: 5 })).body.checks).toEqual([
      { key: 'ten:o', tokens: 5, charged: 5 },
    ])
    expect((await settle(released.body.id, { tokens: 5 })).body.checks).toEqual([
      { key: 'ten:p', tokens: 5, charged: 5 },
    ])
    expect([await remainingOf('ten:o'), await remainingOf('ten:p')]).toEqual([5, 5])
  })
})

describe('a request for a reservation', () => {
  const seventeen = Array.from({ length: 17 }, (_, i) => ({ key: `k${i}` }))
  it.each<[string, object, string, string[]]>([
    ['neither key nor checks', {}, 'validation-failed', ['/key']],
    ['key and checks', { key: 'a', checks: [{ key: 'a' }] }, 'validation-failed', ['/key']],
    ['policy and checks', { policy: 'a', checks: [{ key: 'a' }] }, 'validation-failed', ['/policy']],
    ['17 checks', { checks: seventeen }, 'validation-failed', ['/checks']],
    ['the same key twice', { checks: [{ key: 'a' }, { key: 'a' }] }, 'validation-failed', ['/checks/1/key']],
    ['an invalid key', { key: '..' }, 'key-invalid', ['/key']],
    ['an invalid name of a policy', { key: 'a', policy: 'a*b' }, 'validation-failed', ['/policy']],
    ['a negative number', { key: 'a', tokens: -1 }, 'validation-failed', ['/tokens']],
    ['too short a time to live', { key: 'a', ttlMs: 999 }, 'validation-failed', ['/ttlMs']],
    ['too long a time to live', { key: 'a', ttlMs: 86_400_001 }, 'validation-failed', ['/ttlMs']],
    ['a fraction of a millisecond', { key: 'a', ttlMs: 1000.5 }, 'validation-failed', ['/ttlMs']],
    ['an unknown end', { key: 'a', onExpiry: 'forget' }, 'validation-failed', ['/onExpiry']],
    ['an unknown member', { key: 'a', ttl: 1 }, 'validation-failed', ['/ttl']],
  ])('with %s is refused', async (_, body, code, paths) => {
    expectFields(await reserve(body), code, paths)
  })

  it('says what is allowed of each invalid member', async () => {
    const { body } = await reserve({ key: 'a', ttlMs: 10, onExpiry: 'forget' })
    expect(body.detail).toBe(
      '/ttlMs: must be an integer from 1000 to 86400000; was 10; /onExpiry: must be one of charge, release; was "forget"',
    )
  })

  it('is refused as a check would be', async () => {
    expectProblem(await reserve({ key: 'ten:w', tokens: 11 }), 400, 'tokens-exceed-capacity')
    expectProblem(await reserve({ key: 'ten:w', policy: 'gone' }), 400, 'policy-unknown')
  })

  it('is refused for the 1,001st of a key', async () => {
    await client().put('crowded', { kind: 'concurrency', capacity: 2_000 })
    const created: Answer[] = []
    while (created.length < 1_000) {
      created.push(...(await Promise.all(Array.from({ length: 50 }, () => reserve({ key: 'crowded', tokens: 0 })))))
    }
    expect(new Set(created.map(({ status, body }) => `${status} ${typeof body.id}`))).toEqual(new Set(['201 string']))
    const refused = await reserve({ checks: [{ key: 'open' }, { key: 'crowded' }], tokens: 0 })
    expectProblem(refused, 429, 'too-many-reservations')
    expect(refused.body).toMatchObject({ key: 'crowded', retryAfterMs: expect.any(Number) })
    expect(Number(refused.headers.get('retry-after'))).toBe(Math.ceil(refused.body.retryAfterMs / 1000))
    expect((await client().get('/buckets/crowded')).body.held).toHaveLength(100)
    await release(created[0]?.body.id)
    expect((await reserve({ key: 'crowded', tokens: 0 })).status).toBe(201)
  })
})

describe('the metrics of reservations', () => {
  it('count what became of them, and what they cost, by policy', async () => {
    await client().put('counted:*', { ...SLOW, capacity: 10 })
    const [first, second] = [await held('counted:a', 4), await held('counted:b', 5)]
    for (let i = 0; i < 2; i++) await settle(first, { tokens: 25 })
    for (let i = 0; i < 2; i++) await release(second)
    await reserve({ checks: [{ key: 'counted:a' }, { key: 'counted:b' }, { key: 'open' }] })
    const { text } = await client().get('/metrics')
    const counts = text.split('\n').filter(line => /^throttler_(reservations|settled|uncharged).*counted/.test(line))
    expect(counts.map(line => line.replace('throttler_', '').replace('policy="counted:*",', '')).toSorted()).toEqual([
      'reservations_total{outcome="denied"} 1',
      'reservations_total{outcome="held"} 2',
      'reservations_total{outcome="released"} 1',
      'reservations_total{outcome="settled"} 1',
      'settled_tokens_total{part="charged"} 20',
      'settled_tokens_total{part="reserved"} 4',
      'uncharged_tokens_total{policy="counted:*"} 5',
    ])
  })

  it('count an expiry when the key is next accessed', async () => {
    await client().put('expiring:*', { ...SLOW, capacity: 10 })
    const ids = await Promise.all([1, 2].map(() => reserve({ key: 'expiring:a', ttlMs: 1_000 })))
    const statusOf = async ({ body }: Answer) => (await read(body.id)).body.status
    await eventually(async () => expect(await Promise.all(ids.map(statusOf))).toEqual(['expired', 'expired']))
    await client().check('expiring:a')
    const { text } = await client().get('/metrics')
    expect(text.split('\n').filter(line => /outcome="expired"/.test(line))).toContain(
      'throttler_reservations_total{policy="expiring:*",outcome="expired"} 2',
    )
  })
})

describe('an unknown reservation', () => {
  it.each([
    ['a broken id', 'nonsense'],
    ['an id in a partition that does not exist', `64-${'a'.repeat(22)}`],
    ['an id of another service', `7-${'a'.repeat(22)}`],
    ['a very long id', 'x'.repeat(5_000)],
    ['an encoded id', '%2F..%00'],
  ])('has %s: every call gets 404', async (_, id) => {
    for (const answer of [await read(id), await settle(id, { tokens: 1 }), await extend(id), await release(id)]) {
      expectProblem(answer, 404, 'reservation-not-found')
      expect(answer.body.detail.length).toBeLessThan(250)
    }
  })
})

describe('extending', () => {
  it.each([
    ['too short', { ttlMs: 999 }, '/ttlMs'],
    ['too long', { ttlMs: 86_400_001 }, '/ttlMs'],
    ['no number', { ttlMs: null }, '/ttlMs'],
    ['unknown', { seconds: 1 }, '/seconds'],
  ])('by what is %s is refused', async (_, body, path) => {
    expectFields(await extend(await held('ten:x', 0), body), 'validation-failed', [path])
  })
})
