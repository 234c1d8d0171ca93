import { beforeAll, describe, expect, it } from '@jest/globals'
import type { Answer } from '../../support/client.ts'
import { givenApp } from './given-app.ts'

const LEGACY = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']
const DRAFT = ['ratelimit-policy', 'ratelimit']
const POLICY = { capacity: 3, refillTokens: 1, refillIntervalMs: 1_500_500 }
const LIMITS = [
  { name: 'burst', capacity: 2, refillTokens: 1, refillIntervalMs: 1_000_000 },
  { name: 'daily', capacity: 100, refillTokens: 100, refillIntervalMs: 86_400_000 },
]

const fields = ({ headers }: Answer, names: readonly string[]) => names.map(name => headers.get(name))
const seconds = (ms: number) => Math.ceil(ms / 1000)
const none = (names: readonly string[]) => names.map(() => null)

const draft = givenApp()
const styled = (style: string) => givenApp({ variables: { RATELIMIT_HEADERS: style } }, draft)

describe('RATELIMIT_HEADERS=draft, which is the default', () => {
  beforeAll(async () => {
    await draft.app.client.put('one', POLICY)
    await draft.app.client.put('two', { limits: LIMITS })
  })

  it('shows a full bucket without a time', async () => {
    const answer = await draft.app.client.check('one', 0)
    expect(fields(answer, DRAFT)).toEqual(['"default";q=3;w=4502', '"default";r=3'])
  })

  it('shows for an allowed check in how many seconds the next token comes, rounded up', async () => {
    const answer = await draft.app.client.check('one')
    expect(fields(answer, DRAFT)).toEqual(['"default";q=3;w=4502', '"default";r=2;t=1501'])
    expect(fields(answer, [...LEGACY, 'retry-after'])).toEqual(none([...LEGACY, 'retry-after']))
  })

  it('shows for a denied check in how many seconds the same check would be allowed', async () => {
    await draft.app.client.check('one')
    const answer = await draft.app.client.check('one', 3)
    expect(answer.status).toBe(429)
    const wait = seconds(answer.body.retryAfterMs)
    // The check waits for two more tokens, not only for the next.
    expect(wait).toBeGreaterThan(2_900)
    expect(fields(answer, DRAFT)).toEqual(['"default";q=3;w=4502', `"default";r=1;t=${wait}`])
    expect(answer.headers.get('retry-after')).toBe(String(wait))
  })

  it('shows each limit', async () => {
    const allowed = await draft.app.client.check('two', 2)
    const policy = '"burst";q=2;w=2000, "daily";q=100;w=86400'
    expect(fields(allowed, DRAFT)).toEqual([policy, '"burst";r=0;t=1000, "daily";r=98;t=864'])
    const denied = await draft.app.client.check('two', 1)
    const wait = seconds(denied.body.retryAfterMs)
    const [policyField, field] = fields(denied, DRAFT)
    expect(policyField).toBe(policy)
    expect(field).toMatch(new RegExp(`^"burst";r=0;t=${wait}, "daily";r=98;t=8[56]\\d$`))
  })

  it('shows nothing if there is no decision', async () => {
    const answers = [await draft.app.client.check('one', 4), await draft.app.client.check('')]
    for (const answer of answers) expect(fields(answer, DRAFT)).toEqual([null, null])
  })
})

describe('RATELIMIT_HEADERS=legacy', () => {
  const legacy = styled('legacy')

  it('shows limit, remaining, and in how many seconds the bucket is full', async () => {
    await legacy.app.client.put('one', POLICY)
    const allowed = await legacy.app.client.check('one', 2)
    expect(fields(allowed, LEGACY)).toEqual(['3', '1', '3001'])
    expect(fields(allowed, DRAFT)).toEqual(none(DRAFT))
    const denied = await legacy.app.client.check('one', 2)
    expect(fields(denied, LEGACY)).toEqual(['3', '1', String(seconds(denied.body.resetAfterMs))])
    expect(denied.headers.get('retry-after')).toBe(String(seconds(denied.body.retryAfterMs)))
  })

  it('shows only the binding limit', async () => {
    await legacy.app.client.put('two', { limits: LIMITS })
    expect(fields(await legacy.app.client.check('two'), LEGACY)).toEqual(['2', '1', '1000'])
  })
})

describe('RATELIMIT_HEADERS=both', () => {
  const both = styled('both')

  it('shows all fields', async () => {
    await both.app.client.put('one', POLICY)
    const answer = await both.app.client.check('one')
    const expected = ['"default";q=3;w=4502', '"default";r=2;t=1501', '3', '2', '1501']
    expect(fields(answer, [...DRAFT, ...LEGACY])).toEqual(expected)
  })
})

describe('RATELIMIT_HEADERS=none', () => {
  const silent = styled('none')

  it('shows only Retry-After, and only to denied callers', async () => {
    await silent.app.client.put('one', POLICY)
    const allowed = await silent.app.client.check('one', 3)
    const denied = await silent.app.client.check('one', 1)
    for (const answer of [allowed, denied]) {
      expect(fields(answer, [...DRAFT, ...LEGACY])).toEqual(none([...DRAFT, ...LEGACY]))
    }
    expect(fields(allowed, ['retry-after'])).toEqual([null])
    expect(denied.headers.get('retry-after')).toBe(String(seconds(denied.body.retryAfterMs)))
  })
})
