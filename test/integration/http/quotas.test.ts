import { beforeAll, describe, expect, it } from '@jest/globals'
import type { Answer } from '../../support/client.ts'
import { rememberedDenial } from '../../support/remembered-denial.ts'
import { givenApp } from './given-app.ts'

const given = givenApp({ variables: { KEY_PREFIX: 'quotas' } })
const client = () => given.app.client
const MONTHLY = {
  name: 'monthly',
  kind: 'quota',
  capacity: 10,
  period: 'month',
  timeZone: 'Europe/Berlin',
  anchor: '2026-01-31T09:00',
}
const BURST = { name: 'burst', capacity: 3, refillTokens: 1, refillIntervalMs: 1_000_000 }
const DAY_MS = 86_400_000

const fields = ({ headers }: Answer) => [headers.get('ratelimit-policy'), headers.get('ratelimit')]

describe('a quota', () => {
  it('is shown as it was given, and imported as it was exported', async () => {
    const answer = await client().put('shown', { limits: [BURST, MONTHLY] })
    expect(answer.status).toBe(201)
    expect(answer.body.limits).toEqual([BURST, MONTHLY])
    const { text } = await client().request('GET', '/config/export')
    const line = text.split('\n').find(line => line.includes('"shown"')) ?? ''
    expect(line).toBe(JSON.stringify({ key: 'shown', limits: [BURST, MONTHLY], mode: 'enforce' }))
    const imported = await client().request('POST', '/config/import', `${line}\n`, {
      'content-type': 'application/x-ndjson',
      prefer: 'wait=60',
    })
    expect(imported.body).toMatchObject({ status: 'applied', unchanged: 1 })
  })

  it('has the time zone UTC unless it says otherwise, and none for minutes and hours', async () => {
    const daily = await client().put('short', { kind: 'quota', capacity: 10, period: 'day' })
    expect(daily.body.limits).toEqual([
      { name: 'default', kind: 'quota', capacity: 10, period: 'day', timeZone: 'UTC' },
    ])
    const hourly = await client().put('short', { kind: 'quota', capacity: 10, period: 'hour' })
    expect(hourly.body.limits).toEqual([{ name: 'default', kind: 'quota', capacity: 10, period: 'hour' }])
  })

  it('allows its capacity, and then denies until the period ends', async () => {
    await client().put('spent', { limits: [MONTHLY] })
    expect((await client().check('spent', 9)).body).toMatchObject({ allowed: true, remaining: 1 })
    const denied = await client().check('spent', 2)
    expect(denied.status).toBe(429)
    expect(denied.body).toMatchObject({
      code: 'quota-exceeded',
      detail: '1 of 10 tokens left; 10 again in each month',
      'violated-policies': ['monthly'],
      remaining: 1,
    })
    const { retryAfterMs, resetAfterMs } = denied.body
    expect(retryAfterMs).toBe(resetAfterMs)
    expect(retryAfterMs).toBeGreaterThan(0)
    expect(retryAfterMs).toBeLessThanOrEqual(31 * DAY_MS + 3_600_000)
    expect(denied.headers.get('retry-after')).toBe(String(Math.ceil(retryAfterMs / 1000)))
    expect((await client().check('spent', 1)).status).toBe(200)
  })

  it('is remembered as denied by the process until its period ends', async () => {
    await client().put('denied', { limits: [MONTHLY] })
    await client().check('denied', 10)
    const check = () => client().check('denied')
    const [first, second] = [await check(), await rememberedDenial(check)]
    expect(first.body.source).toBe('redis')
    expect(second.body.retryAfterMs).toBeLessThanOrEqual(first.body.retryAfterMs)
    expect(fields(second)[0]).toBe(fields(first)[0])
  })

  it('refuses more tokens than its capacity', async () => {
    await client().put('large', { limits: [MONTHLY] })
    expect((await client().check('large', 11)).body.code).toBe('tokens-exceed-capacity')
  })

  it('keeps what was spent when its capacity is lowered, or another policy decides in between', async () => {
    await client().put('lowered', { limits: [MONTHLY] })
    await client().check('lowered', 8)
    await client().put('lowered', { limits: [{ ...MONTHLY, capacity: 5 }] })
    expect((await client().check('lowered')).body).toMatchObject({ allowed: false, limit: 5, remaining: 0 })
    await client().put('lowered', { limits: [BURST] })
    await client().check('lowered')
    await client().put('lowered', { limits: [MONTHLY] })
    expect((await client().check('lowered')).body).toMatchObject({ allowed: true, remaining: 1 })
  })

  it('is not the token bucket of the same name', async () => {
    await client().put('renamed', { limits: [{ ...BURST, name: 'monthly' }] })
    await client().check('renamed', 3)
    await client().put('renamed', { limits: [MONTHLY] })
    expect((await client().check('renamed')).body).toMatchObject({ allowed: true, remaining: 9 })
  })

  it('can be reset, and read without spending', async () => {
    await client().put('reset', { limits: [MONTHLY] })
    await client().check('reset', 10)
    const read = await client().get('/buckets/reset')
    expect(read.body).toMatchObject({ allowed: false, remaining: 0, definition: { limits: [MONTHLY] } })
    await client().request('DELETE', '/buckets/reset')
    expect((await client().get('/buckets/reset')).body).toMatchObject({ allowed: true, remaining: 10, resetAfterMs: 0 })
  })
})

describe('the RateLimit fields of a quota', () => {
  beforeAll(async () => {
    await client().put('fields', { limits: [BURST, { name: 'hourly', kind: 'quota', capacity: 5, period: 'hour' }] })
  })

  it('show the length of its period, and when its tokens return', async () => {
    expect(fields(await client().check('fields', 0))).toEqual([
      '"burst";q=3;w=3000, "hourly";q=5;w=3600',
      '"burst";r=3, "hourly";r=5',
    ])
    const answer = await client().check('fields', 1)
    const hourly = answer.body.limits[1]
    expect(hourly).toMatchObject({ name: 'hourly', limit: 5, remaining: 4 })
    expect(fields(answer)[1]).toBe(`"burst";r=2;t=1000, "hourly";r=4;t=${Math.ceil(hourly.resetAfterMs / 1000)}`)
  })
})
