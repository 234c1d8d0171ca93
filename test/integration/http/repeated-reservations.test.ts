import { beforeAll, describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client
/** Refills so slowly that no token comes back during a test. */
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

const reserve = (body: object, headers = {}) => client().request('POST', '/reservations', body, headers)
const settle = (id: string, tokens: number) => client().request('POST', `/reservations/${id}/settle`, { tokens })
const release = (id: string) => client().request('DELETE', `/reservations/${id}`)
const remainingOf = async (key: string) => (await client().check(key, 0)).body.remaining

beforeAll(async () => {
  await client().put('ten:*', { ...SLOW, capacity: 10 })
  await client().put('two:*', { ...SLOW, capacity: 2 })
})

describe('an Idempotency-Key', () => {
  const named = (name: string) => ({ 'idempotency-key': name })

  it('finds the same reservation again, with the decision of now', async () => {
    const body = { key: 'two:q', tokens: 2 }
    const first = await reserve(body, named('job-1'))
    const again = await reserve(body, named('job-1'))
    expect(again.status).toBe(201)
    const { id, expiresAt } = first.body
    expect(again.body).toMatchObject({ id, expiresAt, allowed: true, remaining: 0 })
    expect(again.headers.get('location')).toBe(`/reservations/${id}`)
    expectProblem(await reserve(body, named('job-2')), 429, 'quota-exceeded')
    await release(id)
    expect((await reserve(body, named('job-1'))).body).toMatchObject({ id, expiresAt })
    expect(await remainingOf('two:q')).toBe(2)
  })

  it('belongs to the first key, and a denied request is not remembered', async () => {
    await client().check('two:r', 2)
    expectProblem(await reserve({ key: 'two:r' }, named('job-3')), 429, 'quota-exceeded')
    await client().request('DELETE', '/buckets/two:r')
    const allowed = await reserve({ key: 'two:r' }, named('job-3'))
    const other = await reserve({ key: 'two:s' }, named('job-3'))
    expect([allowed.status, other.status]).toEqual([201, 201])
    expect(allowed.body.id).not.toBe(other.body.id)
  })

  it.each([
    ['other tokens', { key: 'ten:t', tokens: 2 }],
    ['another time to live', { key: 'ten:t', ttlMs: 5_000 }],
    ['another end', { key: 'ten:t', onExpiry: 'release' }],
    ['another policy', { key: 'ten:t', policy: 'two:*' }],
    ['another key besides', { checks: [{ key: 'ten:t' }, { key: 'ten:u' }] }],
  ])('with %s is refused', async (_, body) => {
    await reserve({ key: 'ten:t' }, named('job-4'))
    const answer = await reserve(body, named('job-4'))
    expectProblem(answer, 422, 'idempotency-key-reused')
    expect(answer.body.detail).toBe(
      'the Idempotency-Key "job-4" belongs to a reservation with another body; use a new key for a new request',
    )
    expect(await remainingOf('ten:t')).toBe(9)
  })

  it('that is malformed is refused', async () => {
    expectFields(await reserve({ key: 'ten:v' }, named('a b')), 'validation-failed', ['/headers/idempotency-key'])
  })

  it('finds a reservation that has ended, and holds nothing again', async () => {
    const body = { key: 'ten:y', tokens: 4 }
    const { id, expiresAt } = (await reserve(body, named('job-5'))).body
    await settle(id, 3)
    const again = await reserve(body, named('job-5'))
    expect([again.status, again.body.id, again.body.expiresAt]).toEqual([201, id, expiresAt])
    expect(await remainingOf('ten:y')).toBe(7)
    expectProblem(await reserve({ ...body, tokens: 5 }, named('job-5')), 422, 'idempotency-key-reused')
  })

  it('finds the reservation again while the policy is off; another body is refused as before', async () => {
    await client().put('paused', { ...SLOW, capacity: 10 })
    const body = { key: 'paused', tokens: 4 }
    const { id, expiresAt } = (await reserve(body, named('job-6'))).body
    await client().put('paused', { mode: 'off' })
    const again = await reserve(body, named('job-6'))
    expect([again.status, again.body]).toEqual([201, expect.objectContaining({ id, expiresAt, limit: null })])
    expectProblem(await reserve({ key: 'paused' }, named('job-6')), 422, 'idempotency-key-reused')
    const other = await reserve(body, named('job-7'))
    expect([other.status, other.body.id]).toEqual([201, null])
    expect((await settle(id, 3)).body.checks).toEqual([{ key: 'paused', tokens: 3, charged: 3 }])
  })

  it('finds the reservation again after the capacity was lowered below its tokens', async () => {
    await client().put('lowered', { ...SLOW, capacity: 10 })
    const body = { key: 'lowered', tokens: 4 }
    const { id, expiresAt } = (await reserve(body, named('job-9'))).body
    await client().put('lowered', { ...SLOW, capacity: 3 })
    for (const headers of [named('job-10'), {}])
      expectProblem(await reserve(body, headers), 400, 'tokens-exceed-capacity')
    expectProblem(await reserve({ ...body, tokens: 5 }, named('job-9')), 422, 'idempotency-key-reused')
    const again = await reserve(body, named('job-9'))
    expect([again.status, again.body]).toEqual([
      201,
      expect.objectContaining({ id, expiresAt, allowed: true, limit: 3 }),
    ])
    // Into debt: also that does not hide it.
    await settle(id, 5)
    expect((await reserve(body, named('job-9'))).body).toMatchObject({ id, expiresAt, allowed: true, remaining: 0 })
  })

  it('finds the reservation again after the policy that it names was deleted', async () => {
    await client().put('plan:gone', { ...SLOW, capacity: 10 })
    const body = { checks: [{ key: 'ten:z', tokens: 4, policy: 'plan:gone' }, { key: 'ten:zz' }] }
    const { id, expiresAt } = (await reserve(body, named('job-11'))).body
    await client().request('DELETE', '/config/plan:gone', undefined, { prefer: 'wait=60' })
    expectProblem(await reserve(body, named('job-12')), 400, 'policy-unknown')
    const again = await reserve(body, named('job-11'))
    expect([again.status, again.body]).toEqual([201, expect.objectContaining({ id, expiresAt, allowed: true })])
    expect((await settle(id, 3)).body).toMatchObject({ checks: [{ charged: 3 }, { charged: 3 }] })
  })

  it('is denied while the policy is block, and finds the reservation again afterwards', async () => {
    const limits = { ...SLOW, capacity: 10 }
    await client().put('shut', limits)
    const body = { key: 'shut', tokens: 4 }
    const { id } = (await reserve(body, named('job-8'))).body
    await client().put('shut', { mode: 'block' })
    for (const tokens of [4, 5]) expectProblem(await reserve({ ...body, tokens }, named('job-8')), 429, 'blocked')
    await client().put('shut', limits)
    expect((await reserve(body, named('job-8'))).body).toMatchObject({ id, remaining: 6 })
  })
})
