import { randomUUID } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'
import { rememberedDenial } from '../../support/remembered-denial.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const variables = { KEY_PREFIX: `t-${randomUUID()}` }
const given = givenApp({ variables })
/** Another front process of the same service. */
const other = givenApp({ variables, worker: false }, given)
const client = () => given.app.client
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

describe('a bucket', () => {
  it('is shown with the policy in force, and nothing is spent', async () => {
    await client().put('shown:*', { ...SLOW, capacity: 10, onStoreFailure: 'deny', description: 'not shown' })
    await client().check('shown:1', 4)
    for (let i = 0; i < 2; i++) {
      const { status, body } = await client().get('/buckets/shown%3A1')
      expect(status).toBe(200)
      expect(body).toEqual({
        allowed: true,
        key: 'shown:1',
        policy: 'shown:*',
        policyVersion: 1,
        limit: 10,
        remaining: 6,
        retryAfterMs: 0,
        resetAfterMs: expect.any(Number),
        source: 'redis',
        definition: {
          policy: 'shown:*',
          version: 1,
          limits: [{ name: 'default', capacity: 10, ...SLOW }],
          mode: 'enforce',
          onStoreFailure: 'deny',
        },
      })
    }
  })

  it('is full at once after it is deleted, even if a denial was remembered', async () => {
    await client().put('reset', { ...SLOW, capacity: 1 })
    await client().check('reset')
    expect((await client().check('reset')).body.source).toBe('redis')
    await rememberedDenial(() => client().check('reset'))
    const deleted = await client().request('DELETE', '/buckets/reset')
    expect([deleted.status, deleted.text]).toEqual([204, ''])
    expect((await client().check('reset')).body).toMatchObject({ allowed: true, source: 'redis' })
  })

  it('is full at once in the store after it is deleted; other processes obey within a second', async () => {
    const path = '/buckets/everywhere'
    await client().put('everywhere', { ...SLOW, capacity: 1 })
    await eventually(async () => expect((await other.app.client.get(path)).body.definition.version).toBe(1))
    await client().check('everywhere')
    const check = () => other.app.client.check('everywhere')
    expect((await check()).body).toMatchObject({ allowed: false, source: 'redis' })
    await rememberedDenial(check)
    await client().request('DELETE', path)
    expect((await other.app.client.get(path)).body).toMatchObject({ remaining: 1, source: 'redis' })
    await eventually(async () => expect((await check()).status).toBe(200), promised(1_000))
  })

  it('of a key that was never checked is full, under the default policy', async () => {
    const { body } = await client().get('/buckets/nobody')
    const definition = {
      policy: 'default',
      version: 0,
      limits: [{ name: 'default', capacity: 100, refillTokens: 10, refillIntervalMs: 1_000 }],
      mode: 'enforce',
    }
    expect(body).toMatchObject({ policy: 'default', policyVersion: 0, remaining: 100, resetAfterMs: 0, definition })
    expect(Object.keys(body.definition)).not.toContain('description')
  })

  it('has the values of each limit', async () => {
    const limits = ['a', 'b'].map((name, i) => ({ ...SLOW, name, capacity: i + 2 }))
    await client().put('several', { limits })
    await client().check('several')
    const { body } = await client().get('/buckets/several')
    expect(body.limits).toMatchObject([
      { name: 'a', limit: 2, remaining: 1 },
      { name: 'b', limit: 3, remaining: 2 },
    ])
    expect(body.definition.limits).toEqual(limits)
  })

  it('exists even for a policy that needs no bucket', async () => {
    await client().put('shut', { ...SLOW, capacity: 1, mode: 'block' })
    const { status, body } = await client().get('/buckets/shut')
    expect(status).toBe(200)
    expect(body).toMatchObject({ allowed: false, source: 'policy', definition: { mode: 'block' } })
  })

  it('shows the denial that a check would get, without spending', async () => {
    await client().put('spent', { ...SLOW, capacity: 3 })
    await client().check('spent', 2)
    const read = async (query = '') => (await client().get(`/buckets/spent${query}`)).body
    expect(await read()).toMatchObject({ allowed: true, remaining: 1 })
    expect(await read('?tokens=1')).toMatchObject({ allowed: true, remaining: 1, retryAfterMs: 0 })
    const wouldBeDenied = await read('?tokens=2')
    expect(wouldBeDenied).toMatchObject({ allowed: false, remaining: 1, 'violated-policies': ['default'] })
    expect(wouldBeDenied.retryAfterMs).toBeGreaterThan(900_000)

    await client().check('spent')
    expect(await read()).toMatchObject({ allowed: false, remaining: 0, source: 'redis' })
    expect(await read('?tokens=0')).toMatchObject({ allowed: true, remaining: 0, retryAfterMs: 0 })
  })

  it('shows what a check would get under a policy in shadow mode', async () => {
    await client().put('shadowed', { ...SLOW, capacity: 1, mode: 'shadow' })
    await client().check('shadowed')
    const { body } = await client().get('/buckets/shadowed')
    expect(body).toMatchObject({ allowed: true, shadowed: true, 'violated-policies': ['default'] })
    expect(body.retryAfterMs).toBeGreaterThan(0)
  })

  it('is not shown for more tokens than its limit ever holds', async () => {
    await client().put('small', { ...SLOW, capacity: 3 })
    const answer = await client().get('/buckets/small?tokens=4')
    expectProblem(answer, 400, 'tokens-exceed-capacity')
    expect(answer.body.detail).toBe((await client().check('small', 4)).body.detail)
  })

  it.each(['-1', '1000000001', '1.5', 'many', ''])('is not shown for an invalid number of tokens: %j', async tokens => {
    expectFields(await client().get(`/buckets/a?tokens=${tokens}`), 'validation-failed', ['/query/tokens'])
  })

  it('is not counted as a check when it is shown', async () => {
    const checks = async () => (await client().get('/metrics')).text.match(/^throttler_checks_total.*"default".*$/gm)
    await client().check('uncounted')
    const before = await checks()
    expect(before).not.toBeNull()
    await client().get('/buckets/uncounted')
    expect(await checks()).toEqual(before)
  })

  it('that was never spent from can be deleted too', async () => {
    expect((await client().request('DELETE', '/buckets/untouched')).status).toBe(204)
  })

  it.each(['a/b', 'ü'.repeat(128), '{acme}:x y', '%2F', '*'])(
    'is found by its key, percent-encoded: %.12s',
    async key => {
      const path = `/buckets/${encodeURIComponent(key)}`
      // So many that they are not back before the bucket is read.
      await client().check(key, 90)
      const before = (await client().get(path)).body
      expect(before).toMatchObject({ key, allowed: true })
      expect(before.remaining).toBeLessThan(100)
      expect((await client().request('DELETE', path)).status).toBe(204)
      expect((await client().get(path)).body.remaining).toBe(100)
    },
  )

  it.each(['', '.', '..', 'x'.repeat(257), 'a\u0000b', '\u009f'])('may not have the invalid key %.12j', async key => {
    const path = `/buckets/${encodeURIComponent(key).replaceAll('.', '%2E')}`
    for (const method of ['GET', 'DELETE']) {
      expectFields(await rawRequest(given.app.port, { method, path }), 'key-invalid', ['/params/key'])
    }
  })

  it.each(['GET', 'DELETE'])(
    'may have neither a key that cannot be decoded nor unknown parameters (%s)',
    async method => {
      expectFields(await rawRequest(given.app.port, { method, path: '/buckets/%ZZ' }), 'key-invalid', ['/params/key'])
      expectFields(await client().request(method, '/buckets/a?token=1'), 'validation-failed', ['/query/token'])
    },
  )
})
