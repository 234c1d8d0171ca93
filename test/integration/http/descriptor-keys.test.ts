import { describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client
const POLICY = { capacity: 7, refillTokens: 1, refillIntervalMs: 1_000 }

describe('a key of descriptors', () => {
  it('cannot be checked by a caller', async () => {
    expectFields(await client().check('rls;edge;a=b'), 'key-reserved', ['/key'])
    expectFields(await client().get('/forward-auth?key=rls%3Bx'), 'key-reserved', ['/query/key'])
    const checks = [{ key: 'fine' }, { key: 'rls;x' }]
    expectFields(await client().request('POST', '/check/batch', { checks }), 'key-reserved', ['/checks/1/key'])
    expectFields(await client().request('POST', '/check/all', { checks }), 'key-reserved', ['/checks/1/key'])
    expectFields(await client().request('POST', '/reservations', { key: 'rls;x' }), 'key-reserved', ['/key'])
    const mixed = [{ key: '' }, { key: 'rls;x' }]
    expectFields(await client().request('POST', '/check/batch', { checks: mixed }), 'validation-failed', [
      '/checks/0/key',
      '/checks/1/key',
    ])
    expect((await client().check('rls')).status).toBe(200)
  })

  it('can have a policy, whose values may end in a star, and whose bucket is shown', async () => {
    for (const key of ['rls;api;path=/v1/*;method', 'rls;api;path=/v1/x;method=GET']) {
      expect((await client().put(key, POLICY)).status).toBe(201)
      expect((await client().get(`/config/${encodeURIComponent(key)}`)).body).toMatchObject({ key })
    }
    const policyOf = async (key: string, query = '') =>
      (await client().get(`/buckets/${encodeURIComponent(key)}${query}`)).body.definition?.policy
    expect(await policyOf('rls;api;path=/v1/x;method=GET')).toBe('rls;api;path=/v1/x;method=GET')
    expect(await policyOf('rls;api;path=/v1/y;method=GET')).toBe('rls;api;path=/v1/*;method')
    expect(await policyOf('rls;api;a=1;#hash', '?policy=rls%3Bapi%3Bpath%3D%2Fv1%2F*%3Bmethod')).toBe(
      'rls;api;path=/v1/*;method',
    )
  })

  it('has no bucket if no policy matches it: neither * nor the built-in policy does', async () => {
    await client().put('*', POLICY)
    for (const key of ['rls;none;a=b', 'rls;api', 'rls;api;a=1;#hash']) {
      const answer = await client().get(`/buckets/${encodeURIComponent(key)}`)
      expectProblem(answer, 400, 'policy-unknown')
      expect(answer.body.detail).toBe(`no policy matches the descriptor "${key}"`)
    }
  })

  it.each(['rls;', 'rls;edge', 'rls;*', 'rls;edge;a=b*c', 'rls;edge;a=%3b'])(
    'cannot have a policy under %s',
    async key => {
      expectProblem(await client().put(key, POLICY), 400, 'key-invalid')
    },
  )
})
