import { describe, expect, it } from '@jest/globals'
import { expectFields } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
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

  it('is full at once when it is deleted, also where a denial was remembered', async () => {
    await client().put('reset', { ...SLOW, capacity: 1 })
    await client().check('reset')
    expect((await client().check('reset')).body.source).toBe('redis')
    expect((await client().check('reset')).body.source).toBe('denied-cache')
    const deleted = await client().request('DELETE', '/buckets/reset')
    expect([deleted.status, deleted.text]).toEqual([204, ''])
    expect((await client().check('reset')).body).toMatchObject({ allowed: true, source: 'redis' })
  })

  it('that nobody spent from can be deleted too', async () => {
    expect((await client().request('DELETE', '/buckets/untouched')).status).toBe(204)
  })

  it.each(['GET', 'DELETE'])('has no bad key (%s)', async method => {
    expectFields(await client().request(method, '/buckets/a%00b'), 'key-invalid', ['/params/key'])
    expectFields(await client().request(method, '/buckets/%ZZ'), 'key-invalid', ['/params/key'])
  })
})
