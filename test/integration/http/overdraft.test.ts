import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import type { Answer } from '../../support/client.ts'
import { givenApp } from './given-app.ts'

const KEY_PREFIX = `t-${randomUUID()}`
const given = givenApp({ variables: { KEY_PREFIX } })
const client = () => given.app.client

const limit = (name: string, capacity: number) => ({ name, capacity, refillTokens: 1, refillIntervalMs: 1_000_000 })
/** Nothing refills during a test. */
const POLICY = { capacity: 10, refillTokens: 1, refillIntervalMs: 1_000_000, overdraft: true }

/** Tokens that have not refilled. A part of one refills in the meantime. */
const spent = ({ body }: Answer) => Math.ceil(body.resetAfterMs / 1_000_000)
/** Tokens that have to refill before the check is allowed. */
const missing = ({ body }: Answer) => Math.ceil(body.retryAfterMs / 1_000_000)

describe('a policy with overdraft', () => {
  it('is shown as it was given, and imported as it was exported', async () => {
    const answer = await client().put('shown', POLICY)
    expect([answer.status, answer.body]).toEqual([201, expect.objectContaining({ overdraft: true })])
    const { text } = await client().request('GET', '/config/export')
    const line = text.split('\n').find(line => line.includes('"shown"')) ?? ''
    expect(line).toBe(
      JSON.stringify({ key: 'shown', limits: [limit('default', 10)], mode: 'enforce', overdraft: true }),
    )
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    const imported = await client().request('POST', '/config/import', `${line}\n`, headers)
    expect(imported.body).toMatchObject({ status: 'applied', unchanged: 1 })
  })

  it('that is false has none', async () => {
    const answer = await client().put('false', { ...POLICY, overdraft: false })
    expect([answer.status, 'overdraft' in answer.body]).toEqual([201, false])
  })

  it.each(['yes', 1, null])('is refused if the member is %j', async overdraft => {
    const { status, body } = await client().put('refused', { ...POLICY, overdraft })
    expect([status, body.code, body.errors[0].path]).toEqual([400, 'validation-failed', '/overdraft'])
  })

  it('denies a check for more than is left and charges it, so that even 0 tokens are denied', async () => {
    await client().put('charged', POLICY)
    expect((await client().check('charged', 0)).body).toMatchObject({ allowed: true, remaining: 10 })
    expect((await client().check('charged', 7)).body).toMatchObject({ allowed: true, remaining: 3 })
    const denied = await client().check('charged', 5)
    expect(denied.status).toBe(429)
    expect(denied.body).toMatchObject({ code: 'quota-exceeded', 'violated-policies': ['default'], remaining: 0 })
    expect([denied.body.source, spent(denied), missing(denied)]).toEqual(['redis', 12, 7])
    const seconds = Math.ceil(denied.body.retryAfterMs / 1_000)
    expect(denied.headers.get('retry-after')).toBe(`${seconds}`)
    expect(denied.headers.get('ratelimit')).toBe(`"default";r=0;t=${seconds}`)
    const inDebt = await client().check('charged', 0)
    expect([inDebt.status, inDebt.body.remaining, missing(inDebt)]).toEqual([429, 0, 2])
  })

  it('charges each denied check anew, and answers none of them from memory', async () => {
    await client().put('anew', POLICY)
    const answers: Answer[] = []
    for (const tokens of [8, 4, 4, 4]) answers.push(await client().check('anew', tokens))
    expect(answers.map(answer => [answer.body.allowed, answer.body.source, spent(answer)])).toEqual([
      [true, 'redis', 8],
      [false, 'redis', 12],
      [false, 'redis', 16],
      [false, 'redis', 20],
    ])
  })

  it('forgets a remembered denial of 0 tokens once more is charged', async () => {
    await client().put('longer', POLICY)
    await client().check('longer', 11)
    const before = await client().check('longer', 0)
    await client().check('longer', 3)
    const after = await client().check('longer', 0)
    expect([spent(before), spent(after)]).toEqual([11, 14])
  })

  it('owes at most one capacity, also for more tokens than the capacity, which are never allowed', async () => {
    await client().put('owed', POLICY)
    const denied = await client().check('owed', 1_000)
    expect([denied.status, denied.body.code, denied.body.retryAfterMs]).toEqual([429, 'quota-exceeded', null])
    expect([spent(denied), denied.headers.has('retry-after')]).toEqual([20, false])
    expect(missing(await client().check('owed', 0))).toBe(10)
  })

  it('charges a denied check to every limit, and names those that denied it', async () => {
    const limits = [limit('burst', 10), limit('daily', 100), { ...limit('stricter', 5), shadow: true }]
    await client().put('several', { limits, overdraft: true })
    const allowed = await client().check('several', 6)
    expect(allowed.body).toMatchObject({ allowed: true, shadowed: true, 'violated-policies': ['stricter'] })
    expect(allowed.body.limits.map((body: Answer['body']) => spent({ body } as Answer))).toEqual([6, 6, 6])
    const denied = await client().check('several', 6)
    expect(denied.body).toMatchObject({ allowed: false, 'violated-policies': ['burst'] })
    expect(denied.body.limits).toMatchObject([
      { name: 'burst', remaining: 0 },
      { name: 'daily', remaining: 88, retryAfterMs: 0 },
      { name: 'stricter', remaining: 0, retryAfterMs: null },
    ])
  })

  it('charges in mode shadow what it would have denied', async () => {
    await client().put('tried', { ...POLICY, mode: 'shadow' })
    await client().check('tried', 8)
    const answer = await client().check('tried', 4)
    expect([answer.status, spent(answer)]).toEqual([200, 12])
    expect(answer.body).toMatchObject({ allowed: true, shadowed: true, 'violated-policies': ['default'], remaining: 0 })
  })

  it('charges items of a batch, and sub-requests of a proxy', async () => {
    await client().put('batch', POLICY)
    const { body } = await client().request('POST', '/check/batch', {
      checks: [8, 4, 0].map(tokens => ({ key: 'batch', tokens })),
    })
    expect(body.results.map(({ allowed }: { allowed: boolean }) => allowed)).toEqual([true, false, false])
    await client().put('proxied', POLICY)
    expect((await client().get('/forward-auth?key=proxied&tokens=12')).status).toBe(429)
    expect((await client().check('proxied', 0)).status).toBe(429)
  })

  it('charges nothing if checks that go together, or a reservation, are denied', async () => {
    await client().put('together', POLICY)
    const group = await client().request('POST', '/check/all', { checks: [{ key: 'together', tokens: 12 }] })
    expect([group.status, group.body.retryAfterMs, group.body.remaining]).toEqual([429, null, 10])
    const reservation = await client().request('POST', '/reservations', { key: 'together', tokens: 12 })
    expect([reservation.status, reservation.body.remaining]).toEqual([429, 10])
  })

  it('is shown by GET /buckets/{key}, which charges nothing', async () => {
    await client().put('looked', POLICY)
    const { body } = await client().get('/buckets/looked?tokens=12')
    expect(body).toMatchObject({ allowed: false, remaining: 10, retryAfterMs: null, definition: { overdraft: true } })
    expect((await client().check('looked', 0)).body.remaining).toBe(10)
  })
})

describe('while the bucket store is unavailable', () => {
  let cutOff: TestApp
  beforeAll(async () => {
    const urls = { REDIS_URL: 'redis://127.0.0.1:1', CONFIG_REDIS_URL: given.store.url }
    const variables = { KEY_PREFIX, LOG_LEVEL: 'silent', ...urls }
    cutOff = await TestApp.start(given.store, { variables, worker: false })
  })
  afterAll(() => cutOff.close())

  it('the process charges denied checks to its own bucket', async () => {
    await cutOff.client.put('outage', { ...POLICY, onStoreFailure: 'local' })
    const denied = await cutOff.client.check('outage', 12)
    expect(denied.body).toMatchObject({ allowed: false, source: 'local', retryAfterMs: null })
    expect((await cutOff.client.check('outage', 0)).body).toMatchObject({ allowed: false, source: 'local' })
  })

  it('checks that go together charge nothing if they are denied', async () => {
    await cutOff.client.put('outage-together', { ...POLICY, onStoreFailure: 'local', mode: 'shadow' })
    const check = { key: 'outage-together', tokens: 12 }
    expect((await cutOff.client.request('POST', '/check/all', { checks: [check] })).body).toMatchObject({
      shadowed: true,
    })
    expect((await cutOff.client.check('outage-together', 0)).body).toMatchObject({ source: 'local', resetAfterMs: 0 })
  })
})
