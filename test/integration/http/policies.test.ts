import { afterAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { expectFields } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const given = givenApp({ variables: { KEY_PREFIX: 'policies' } })
const LIMIT = { name: 'a', capacity: 10, refillTokens: 1, refillIntervalMs: 1000 }
const SHORT = { capacity: 10, refillTokens: 1 }
const QUOTA = { name: 'a', kind: 'quota', capacity: 10, period: 'month', timeZone: 'Europe/Berlin' }
const MAX = 1_000_000_000
const MAX_INTERVAL = 2_678_400_000
const named = (count: number) => Array.from({ length: count }, (_, i) => ({ ...LIMIT, name: `l${i}` }))
const put = (policy: unknown) => given.app.client.put('k', policy)

const REFUSED: [what: string, policy: unknown, paths: string[], message: RegExp][] = [
  ['nothing', {}, ['/capacity', '/refillTokens'], /missing; give limits, or capacity and refillTokens/],
  ['only a mode that needs limits', { mode: 'shadow' }, ['/capacity', '/refillTokens'], /missing/],
  ['half of the short form in a mode that needs no limits', { mode: 'off', capacity: 1 }, ['/refillTokens'], /missing/],
  ['only an interval', { mode: 'block', refillIntervalMs: 1 }, ['/capacity', '/refillTokens'], /missing/],
  [
    'an empty list of limits in a mode that needs none',
    { mode: 'off', limits: [] },
    ['/limits'],
    /1 to 8 items; has 0/,
  ],
  ['half of the short form', { capacity: 1 }, ['/refillTokens'], /missing/],
  ['both forms', { limits: [LIMIT], ...SHORT }, ['/capacity', '/refillTokens'], /either limits or the short form/],
  ['no limit', { limits: [] }, ['/limits'], /1 to 8 items; has 0/],
  ['9 limits', { limits: named(9) }, ['/limits'], /1 to 8 items; has 9/],
  ['limits that are not a list', { limits: LIMIT }, ['/limits'], /must be array; was an object/],
  ['a limit that is not an object', { limits: [LIMIT, 5] }, ['/limits/1'], /must be object; was 5/],
  ['a duplicate name', { limits: [LIMIT, LIMIT] }, ['/limits/1/name'], /"a" names two limits; names must be unique/],
  ['a missing name', { limits: [SHORT] }, ['/limits/0/name'], /missing/],
  ['an empty name', { limits: [{ ...LIMIT, name: '' }] }, ['/limits/0/name'], /\[a-z0-9_-\]\{1,32\}.*was ""/],
  ['a name with capitals', { limits: [{ ...LIMIT, name: 'Burst' }] }, ['/limits/0/name'], /was "Burst"/],
  ['a name of 33 characters', { limits: [{ ...LIMIT, name: 'x'.repeat(33) }] }, ['/limits/0/name'], /\{1,32\}/],
  ['a name with a newline', { limits: [{ ...LIMIT, name: 'a\n' }] }, ['/limits/0/name'], /\{1,32\}/],
  ['an unknown member', { ...SHORT, burst: 1 }, ['/burst'], /unknown; allowed: limits, kind, capacity/],
  [
    'an unknown member of a limit',
    { limits: [{ ...LIMIT, mode: 'off' }] },
    ['/limits/0/mode'],
    /allowed: name, kind, cap/,
  ],
  ['capacity 0', { ...SHORT, capacity: 0 }, ['/capacity'], /an integer from 1 to 1000000000; was 0$/],
  ['capacity 10^9 + 1', { ...SHORT, capacity: MAX + 1 }, ['/capacity'], /from 1 to 1000000000/],
  ['capacity 1.5', { ...SHORT, capacity: 1.5 }, ['/capacity'], /was 1.5$/],
  ['capacity "1"', { ...SHORT, capacity: '1' }, ['/capacity'], /was "1"$/],
  ['refillTokens 0', { ...SHORT, refillTokens: 0 }, ['/refillTokens'], /from 1 to 1000000000/],
  ['nested refillTokens', { limits: [LIMIT, { ...LIMIT, refillTokens: -1 }] }, ['/limits/1/refillTokens'], /was -1$/],
  ['interval 0', { ...SHORT, refillIntervalMs: 0 }, ['/refillIntervalMs'], /from 1 to 2678400000/],
  ['an interval of more than 31 days', { ...SHORT, refillIntervalMs: MAX_INTERVAL + 1 }, ['/refillIntervalMs'], /267/],
  ['interval null', { ...SHORT, refillIntervalMs: null }, ['/refillIntervalMs'], /was null$/],
  [
    'an unknown kind',
    { limits: [{ ...LIMIT, kind: 'window' }] },
    ['/limits/0/kind'],
    /bucket, quota, concurrency; was "window"/,
  ],
  ['an unknown period', { limits: [{ ...QUOTA, period: 'quarter' }] }, ['/limits/0/period'], /year; was "quarter"/],
  ['a quota without a period', { limits: [{ ...QUOTA, period: undefined }] }, ['/limits/0/period'], /missing/],
  ['half of a quota in the short form', { kind: 'quota' }, ['/capacity', '/period'], /limits, or capacity and period/],
  ['an unknown zone', { limits: [{ ...QUOTA, timeZone: 'Mars/Base' }] }, ['/limits/0/timeZone'], /IANA.*"Mars\/Base"/],
  ['an abbreviation as zone', { limits: [{ ...QUOTA, timeZone: 'PST' }] }, ['/limits/0/timeZone'], /IANA.*"PST"/],
  ['an offset as zone', { limits: [{ ...QUOTA, timeZone: '+01:00' }] }, ['/limits/0/timeZone'], /was "\+01:00"/],
  ['an empty zone', { kind: 'quota', capacity: 1, period: 'day', timeZone: '' }, ['/timeZone'], /was ""/],
  [
    'a zone of 101 characters',
    { ...QUOTA, name: undefined, timeZone: 'x'.repeat(101) },
    ['/timeZone'],
    /100 characters/,
  ],
  ['a zone of a minute', { limits: [{ ...QUOTA, period: 'minute' }] }, ['/limits/0/timeZone'], /absent.*those of UTC/],
  [
    'an anchor of an hour',
    { kind: 'quota', capacity: 1, period: 'hour', anchor: '2026-01-01T00:00' },
    ['/anchor'],
    /absent/,
  ],
  ...['2026-01-15', '2026-01-15T09:00Z', '2026-02-30T09:00', '2026-01-15T24:00', '2026-01-15T09:00:30', 'soon'].map(
    (anchor): [string, unknown, string[], RegExp] => [
      `${anchor} as anchor`,
      { limits: [LIMIT, { ...QUOTA, name: 'b', anchor }] },
      ['/limits/1/anchor'],
      /local date and time to the minute, such as 2026-01-15T09:00; was/,
    ],
  ),
  [
    'a refill beside a quota',
    { limits: [{ ...QUOTA, refillTokens: 1, refillIntervalMs: 1 }] },
    ['/limits/0/refillTokens', '/limits/0/refillIntervalMs'],
    /not allowed in a limit of the kind quota, which has period, timeZone, anchor/,
  ],
  [
    'the period of a quota in a token bucket',
    { ...SHORT, period: 'day' },
    ['/period'],
    /not allowed in a limit of the kind bucket, which has refillTokens, refillIntervalMs/,
  ],
  [
    'a bad quota in what follows',
    { ...SHORT, expiresAt: new Date(Date.now() + 60_000).toISOString(), then: { limits: [{ ...QUOTA, anchor: 'x' }] } },
    ['/then/limits/0/anchor'],
    /was "x"/,
  ],
  [
    'only a shadow limit in the short form',
    { ...SHORT, shadow: true },
    ['/shadow'],
    /^must be false or absent in at least one/,
  ],
  [
    'only shadow limits, even in a mode that needs no limits',
    { limits: named(2).map(limit => ({ ...limit, shadow: true })), mode: 'off' },
    ['/limits/0/shadow'],
    /a policy needs a limit that is not a shadow limit$/,
  ],
  [
    'only shadow limits in what follows',
    { ...SHORT, expiresAt: new Date(Date.now() + 60_000).toISOString(), then: { ...SHORT, shadow: true } },
    ['/then/shadow'],
    /^must be false or absent in at least one/,
  ],
  ...[null, 'true', 1, [], 'shadow'].map((shadow): [string, unknown, string[], RegExp] => [
    `${JSON.stringify(shadow)} as shadow`,
    { limits: [LIMIT, { ...LIMIT, name: 'b', shadow }] },
    ['/limits/1/shadow'],
    /must be boolean; was/,
  ]),
  ['shadow beside limits', { limits: [LIMIT], shadow: true }, ['/shadow'], /either limits or the short form/],
  ['an unknown mode', { ...SHORT, mode: 'Enforce' }, ['/mode'], /enforce, shadow, off, block; was "Enforce"/],
  ['an unknown onStoreFailure', { ...SHORT, onStoreFailure: '' }, ['/onStoreFailure'], /local, allow, deny; was ""/],
  [
    'a description of 501 characters',
    { ...SHORT, description: 'x'.repeat(501) },
    ['/description'],
    /more than 500 characters/,
  ],
  ['a description that is null', { ...SHORT, description: null }, ['/description'], /must be string; was null/],
]

describe('a policy with', () => {
  afterAll(async () => {
    expect((await given.app.client.get('/config')).body).toEqual({ items: [] })
    const outcome = await put(SHORT)
    expect([outcome.status, outcome.body.version]).toEqual([201, 1])
  })

  it.each(REFUSED)('%s is refused, and nothing is queued', async (_, policy, paths, message) => {
    const answer = await put(policy)
    expectFields(answer, 'validation-failed', paths)
    expect(answer.body.errors[0].message).toMatch(message)
    expect(answer.body.detail).toContain(`${paths[0]}: `)
    expect(answer.headers.get('location')).toBeNull()
  })

  it.each(['__proto__', 'constructor'])('a member %s is refused', async member => {
    const body = `{"capacity":1,"refillTokens":1,"${member}":{"mode":"off"}}`
    const headers = { 'content-type': 'application/json' }
    const answer = await rawRequest(given.app.port, { method: 'PUT', path: '/config/k', headers, body })
    expectFields(answer, 'validation-failed', [`/${member}`])
  })
})

describe('every decision must be exact:', () => {
  // The refill has no divisor in common with the interval, so a token counts as many units as the interval has ms.
  const interval = 2_678_399_999
  const capacity = Math.floor(Number.MAX_SAFE_INTEGER / interval)
  const policy = { capacity, refillTokens: 7, refillIntervalMs: interval }

  it('the largest capacity that can be counted exactly is accepted', async () => {
    expect(interval % 7).not.toBe(0)
    expect((await given.app.client.put('exact', policy)).status).toBe(201)
    expect((await given.app.client.check('exact', capacity)).body).toMatchObject({ allowed: true, remaining: 0 })
  })

  it('one token more is refused, naming the limit, or the body if it has the short form', async () => {
    const short = await given.app.client.put('exact', { ...policy, capacity: capacity + 1 })
    expectFields(short, 'validation-failed', [''])
    expect(short.body.detail).toContain('2^53 − 1')
    const long = { limits: [LIMIT, { ...policy, name: 'b', capacity: capacity + 1 }] }
    expectFields(await given.app.client.put('exact', long), 'validation-failed', ['/limits/1'])
  })
})

describe('a policy', () => {
  it.each([
    ['8 limits', { limits: named(8) }],
    [
      'the largest numbers',
      { limits: [{ name: 'a', capacity: MAX, refillTokens: MAX, refillIntervalMs: MAX_INTERVAL }] },
    ],
    ['the longest name', { limits: [{ ...LIMIT, name: 'az09_-'.padEnd(32, 'x') }] }],
    ['500 characters of description', { limits: [LIMIT], description: '😀'.repeat(500) }],
    ['every member', { limits: [LIMIT], mode: 'block', onStoreFailure: 'deny', description: '' }],
  ])('may have %s, and is answered in the long form', async (what, policy) => {
    const answer = await given.app.client.put(`may have ${what}`, policy)
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({ mode: 'enforce', ...policy })
  })

  it('in the short form has one limit named default, with an interval of one second by default', async () => {
    const answer = await given.app.client.put('short', SHORT)
    expect(answer.body.limits).toEqual([{ name: 'default', ...SHORT, refillIntervalMs: 1000 }])
    expect(Object.keys(answer.body)).toEqual(['key', 'version', 'limits', 'mode', 'updatedAt', 'updatedBy'])
  })
})

describe.each(['off', 'block'])('a policy without limits in mode %s', mode => {
  const key = `without limits: ${mode}`
  const path = `/config/${encodeURIComponent(key)}`
  const policy = { mode, description: 'needs none' }
  const client = () => given.app.client

  it('has no limits in decisions, buckets, lists and its history', async () => {
    expect((await client().put(key, { ...policy, description: 'first' })).status).toBe(201)
    const { status, body } = await client().put(key, policy)
    expect([status, body]).toEqual([200, expect.objectContaining({ key, version: 2, ...policy })])
    expect((await client().put(key, policy)).body.version).toBe(2)
    const decision = (await client().check(key, 5)).body
    const expected = { allowed: mode === 'off', limit: null, remaining: mode === 'off' ? null : 0, source: 'policy' }
    expect(decision).toMatchObject(expected)
    const bucket = (await client().get(`/buckets/${encodeURIComponent(key)}`)).body
    expect(bucket.definition).toEqual({ policy: key, version: 2, mode })
    const { events } = (await client().get(`${path}/history`)).body
    expect(events[1].policy).toEqual(policy)
    const list = (await client().get('/config')).body.items
    for (const shown of [body, decision, bucket, bucket.definition, events[1].policy, ...list.slice(-1)])
      expect(shown).not.toHaveProperty('limits')
  })

  it('can be rolled back to, exported and imported', async () => {
    await client().put(key, { ...SHORT, mode })
    const rolledBack = await client().request('POST', `${path}/rollback`, { version: 2 }, { prefer: 'wait=60' })
    expect(rolledBack.body).toMatchObject({ version: 4, ...policy })
    const line = JSON.stringify({ key, ...policy })
    expect((await client().get('/config/export')).text.split('\n')).toContain(line)
    await client().delete(key)
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    expect((await client().request('POST', '/config/import', line, headers)).body.created).toBe(1)
    expect((await client().get('/config/export')).text.split('\n')).toContain(line)
    const { version, limits } = (await client().get(path)).body
    expect([version, limits]).toEqual([6, undefined])
  })

  it('is stored with a limit, so that release 0.1.0 can read it', async () => {
    const redis = new Redis(given.store.url)
    const keys = new ConfigKeys('policies', configPartition(key))
    const stored = JSON.parse((await redis.hget(keys.policies, key)) ?? '')
    const [[, fields] = ['', []]] = await redis.xrevrange(keys.log, '+', '-', 'COUNT', 1)
    redis.disconnect()
    const event = JSON.parse(fields[fields.indexOf('event') + 1] ?? '')
    const limits = [{ name: 'no-limits', capacity: 1, refillTokens: 1, refillIntervalMs: 1 }]
    for (const { policy } of [stored, event]) expect(policy).toMatchObject({ limits, mode })
  })
})

describe('a policy that takes turns with another', () => {
  const burst = { name: 'burst', capacity: 100, refillTokens: 1, refillIntervalMs: 1_000 }
  const daily = { name: 'daily', capacity: 3, refillTokens: 1, refillIntervalMs: 86_400_000 }

  it('finds its own limits still exhausted', async () => {
    const { client } = given.app
    const admitted: boolean[] = []
    for (let turn = 0; turn < 3; turn++) {
      await client.put('turns', { limits: [burst, daily] })
      for (let i = 0; i < 4; i++) admitted.push((await client.check('turns')).body.allowed)
      await client.put('turns', { limits: [burst] })
      expect((await client.check('turns')).body.allowed).toBe(true)
    }
    expect(admitted.filter(Boolean)).toHaveLength(3)
  })

  it('finds its own limits full after a reset', async () => {
    const { client } = given.app
    await client.put('turns', { limits: [burst] })
    await client.request('DELETE', '/buckets/turns')
    await client.put('turns', { limits: [burst, daily] })
    expect((await client.check('turns')).body).toMatchObject({ allowed: true, limit: 3, remaining: 2 })
  })
})
