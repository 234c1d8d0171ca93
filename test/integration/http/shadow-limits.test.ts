import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import type { Answer } from '../../support/client.ts'
import { rememberedDenial } from '../../support/remembered-denial.ts'
import { givenApp } from './given-app.ts'

const KEY_PREFIX = `t-${randomUUID()}`
const given = givenApp({ variables: { KEY_PREFIX } })
const client = () => given.app.client

const limit = (name: string, capacity: number) => ({ name, capacity, refillTokens: 1, refillIntervalMs: 1_000_000 })
const shadow = (name: string, capacity: number) => ({ ...limit(name, capacity), shadow: true })
/** The shadow limit comes first, so that no order hides a mistake. */
const LIMITS = [shadow('stricter', 2), limit('burst', 5)]
const MONTHLY = { name: 'monthly', kind: 'quota', capacity: 2, period: 'month', timeZone: 'UTC', shadow: true }

const violations = async (policy: string, name: string) => {
  const { text } = await client().request('GET', '/metrics')
  const series = `throttler_shadow_violations_total{policy="${policy}",limit="${name}"}`
  const line = text.split('\n').find(line => line.startsWith(series))
  return Number(line?.slice(series.length) ?? 0)
}

describe('a shadow limit', () => {
  it('is shown as it was given, and imported as it was exported', async () => {
    const answer = await client().put('shown', { limits: [...LIMITS, MONTHLY] })
    expect([answer.status, answer.body.limits]).toEqual([201, [...LIMITS, MONTHLY]])
    const { text } = await client().request('GET', '/config/export')
    const line = text.split('\n').find(line => line.includes('"shown"')) ?? ''
    expect(line).toBe(JSON.stringify({ key: 'shown', limits: [...LIMITS, MONTHLY], mode: 'enforce' }))
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    const imported = await client().request('POST', '/config/import', `${line}\n`, headers)
    expect(imported.body).toMatchObject({ status: 'applied', unchanged: 1 })
  })

  it('that is false is an enforced limit', async () => {
    const answer = await client().put('false', { ...limit('default', 5), name: undefined, shadow: false })
    expect([answer.status, answer.body.limits]).toEqual([201, [limit('default', 5)]])
  })

  it('counts what the enforced limits allow, denies nobody, and says what it would have denied', async () => {
    await client().put('counted', { limits: LIMITS })
    const first = await client().check('counted', 2)
    expect(first.body).not.toHaveProperty('shadowed')
    expect(first.body).toMatchObject({
      limit: 5,
      remaining: 3,
      limits: [
        { name: 'stricter', limit: 2, remaining: 0, retryAfterMs: 0, shadow: true },
        { name: 'burst', limit: 5, remaining: 3, retryAfterMs: 0 },
      ],
    })
    expect(first.body.limits[1]).not.toHaveProperty('shadow')
    const second = await client().check('counted')
    expect(second.status).toBe(200)
    expect(second.body).toMatchObject({
      allowed: true,
      shadowed: true,
      'violated-policies': ['stricter'],
      retryAfterMs: 0,
      limit: 5,
      remaining: 2,
      limits: [{ remaining: 0 }, { remaining: 2, retryAfterMs: 0 }],
    })
    expect(second.body.limits[0].retryAfterMs).toBeGreaterThan(999_000_000 / 1_000)
  })

  it('is not named by a denial, and has no RateLimit field', async () => {
    await client().put('denied', { limits: LIMITS })
    await client().check('denied', 5)
    const denied = await client().check('denied')
    expect(denied.status).toBe(429)
    expect(denied.body).toMatchObject({ code: 'quota-exceeded', limit: 5, 'violated-policies': ['burst'] })
    expect(denied.body.detail).toBe('burst: 0 of 5 tokens left; 1 more every 1000000 ms')
    expect(denied.body).not.toHaveProperty('shadowed')
    expect(denied.headers.get('ratelimit-policy')).toBe('"burst";q=5;w=5000')
    expect(denied.headers.get('ratelimit')).toMatch(/^"burst";r=0;t=\d+$/)
    const remembered = await rememberedDenial(() => client().check('denied'))
    expect(remembered.body['violated-policies']).toEqual(['burst'])
    expect(remembered.body.limits[0]).toMatchObject({ name: 'stricter', shadow: true, retryAfterMs: 0 })
  })

  it('is never remembered as a denial', async () => {
    await client().put('remembered', { limits: LIMITS })
    await client().check('remembered', 2)
    const answers = [await client().check('remembered'), await client().check('remembered')]
    expect(answers.map(({ body }) => [body.source, body.remaining])).toEqual([
      ['redis', 2],
      ['redis', 1],
    ])
  })

  it('of fewer tokens than are asked for never allows them, and refuses nothing', async () => {
    await client().put('large', { limits: LIMITS })
    const { status, body } = await client().check('large', 3)
    expect(status).toBe(200)
    expect(body).toMatchObject({ shadowed: true, retryAfterMs: 0, limits: [{ retryAfterMs: null, remaining: 2 }, {}] })
    expect((await client().check('large', 6)).body).toMatchObject({ code: 'tokens-exceed-capacity' })
  })

  it('that becomes enforced keeps what was spent, and so does an enforced one that becomes a shadow limit', async () => {
    await client().put('tried', { limits: LIMITS })
    await client().check('tried', 2)
    await client().put('tried', { limits: [limit('stricter', 2), shadow('burst', 5)] })
    expect((await client().check('tried')).body).toMatchObject({ allowed: false, 'violated-policies': ['stricter'] })
    await client().put('tried', { limits: LIMITS })
    expect((await client().check('tried', 3)).body).toMatchObject({ allowed: true, remaining: 0, shadowed: true })
  })

  it('can be a quota', async () => {
    await client().put('quota', { limits: [limit('burst', 5), MONTHLY] })
    await client().check('quota', 2)
    const { body, headers } = await client().check('quota')
    expect(body).toMatchObject({ allowed: true, shadowed: true, 'violated-policies': ['monthly'], remaining: 2 })
    expect(body.limits[1]).toMatchObject({ name: 'monthly', remaining: 0, shadow: true })
    expect(body.limits[1].retryAfterMs).toBe(body.limits[1].resetAfterMs)
    expect(headers.get('ratelimit-policy')).toBe('"burst";q=5;w=5000')
  })

  it('is shown by GET /buckets/{key}, which spends nothing', async () => {
    await client().put('shown-bucket', { limits: LIMITS })
    await client().check('shown-bucket', 2)
    const { status, body } = await client().get('/buckets/shown-bucket?tokens=3')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      allowed: true,
      shadowed: true,
      remaining: 3,
      'violated-policies': ['stricter'],
      limits: [{ name: 'stricter', retryAfterMs: null }, { name: 'burst' }],
      definition: { limits: LIMITS },
    })
    expect((await client().get('/buckets/shown-bucket?tokens=4')).body).toMatchObject({
      allowed: false,
      'violated-policies': ['burst'],
    })
    expect((await client().get('/buckets/shown-bucket?tokens=0')).body).not.toHaveProperty('shadowed')
  })

  it('works in a batch, beside others of the same key', async () => {
    await client().put('batch', { limits: LIMITS })
    const checks = [1, 1, 1].map(tokens => ({ key: 'batch', tokens }))
    const { body } = await client().request('POST', '/check/batch', { checks })
    expect(body.results.map(({ shadowed, remaining }: Record<string, unknown>) => [shadowed, remaining])).toEqual([
      [undefined, 4],
      [undefined, 3],
      [true, 2],
    ])
  })

  it('has no say where a policy in mode shadow would deny', async () => {
    await client().put('mode', { limits: LIMITS, mode: 'shadow' })
    await client().check('mode', 2)
    expect((await client().check('mode', 3)).body).toMatchObject({ shadowed: true, 'violated-policies': ['stricter'] })
    const { body } = await client().check('mode')
    expect(body).toMatchObject({ allowed: true, shadowed: true, 'violated-policies': ['burst'], remaining: 0 })
    expect(body.retryAfterMs).toBeGreaterThan(0)
  })

  it('is not the first limit of a policy in mode off', async () => {
    await client().put('off', { limits: LIMITS, mode: 'off' })
    expect((await client().check('off')).body).toMatchObject({ limit: 5, remaining: 5, source: 'policy' })
  })
})

it('throttler_shadow_violations_total is what callers counted, and nobody is denied', async () => {
  await client().put('sold:*', { limits: [limit('burst', 100), shadow('half', 5), shadow('most', 9)] })
  const answers: Answer[] = []
  for (let i = 0; i < 10; i++) answers.push(await client().check('sold:1'))
  expect(answers.filter(({ status }) => status !== 200)).toEqual([])
  const countOf = (name: string) => answers.filter(({ body }) => body['violated-policies']?.includes(name)).length
  expect([countOf('half'), countOf('most')]).toEqual([5, 1])
  expect([await violations('sold:*', 'half'), await violations('sold:*', 'most')]).toEqual([5, 1])
  await client().check('sold:1', 91)
  expect(await violations('sold:*', 'half')).toBe(5)
})

describe('while the bucket store is unavailable', () => {
  let cutOff: TestApp
  beforeAll(async () => {
    const urls = { REDIS_URL: 'redis://127.0.0.1:1', CONFIG_REDIS_URL: given.store.url }
    cutOff = await TestApp.start(given.store, {
      variables: { KEY_PREFIX, LOG_LEVEL: 'silent', ...urls },
      worker: false,
    })
    for (const onStoreFailure of ['local', 'allow']) {
      await cutOff.client.put(`outage-${onStoreFailure}`, { limits: LIMITS, onStoreFailure })
    }
  })
  afterAll(() => cutOff.close())

  it('shadow limits are ignored', async () => {
    const answer = await cutOff.client.check('outage-local', 5)
    expect(answer.body).toMatchObject({ allowed: true, source: 'local', limit: 5, remaining: 0 })
    expect(answer.body).not.toHaveProperty('shadowed')
    expect(answer.body.limits).toMatchObject([{ name: 'burst', limit: 5, remaining: 0 }])
    expect(answer.headers.get('ratelimit-policy')).toBe('"burst";q=5;w=5000')
    const denied = await cutOff.client.check('outage-local')
    expect(denied.body).toMatchObject({ allowed: false, 'violated-policies': ['burst'] })
    expect((await cutOff.client.check('outage-allow')).body).toMatchObject({ limit: 5, source: 'outage' })
  })
})
