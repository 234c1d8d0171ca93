import { describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { expectCommonFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const given = givenApp()
const POLICY = { capacity: 10, refillTokens: 1, refillIntervalMs: 1000 }
const LONG = { limits: [{ name: 'default', ...POLICY }], mode: 'enforce' }
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

describe('an accepted change', () => {
  it('without Prefer: wait is queued until a worker runs, and then applied', async () => {
    const app = await TestApp.start(given.store, { worker: false })
    try {
      const accepted = await app.client.request('PUT', '/config/k', POLICY)
      expect(accepted.status).toBe(202)
      expectCommonFields(accepted)
      const { commandId } = accepted.body
      expect(accepted.body).toEqual({ commandId: expect.any(String), status: 'queued', key: 'k' })
      expect(accepted.headers.get('location')).toBe(`/commands/${commandId}`)
      expect(accepted.headers.get('preference-applied')).toBeNull()

      expect((await app.client.get(`/commands/${commandId}`)).body).toEqual({
        id: commandId,
        status: 'queued',
        key: 'k',
      })
      expectProblem(await app.client.get('/config/k'), 404, 'policy-not-found')

      await app.startWorker()
      const applied = { id: commandId, status: 'applied', key: 'k', version: 1 }
      await eventually(async () => expect((await app.client.get(`/commands/${commandId}`)).body).toEqual(applied))
      expect((await app.client.get('/config/k')).body.version).toBe(1)
    } finally {
      await app.close()
    }
  })

  it('is answered with 202 also if its outcome does not come within the time to wait', async () => {
    const app = await TestApp.start(given.store, { worker: false })
    try {
      const answer = await app.client.put('k', POLICY, { prefer: 'wait=1' })
      expect(answer.status).toBe(202)
      expect(answer.headers.get('preference-applied')).toBe('wait')
      expect(answer.headers.get('location')).toBe(`/commands/${answer.body.commandId}`)
    } finally {
      await app.close()
    }
  })
})

describe('a change that is waited for', () => {
  it('is answered with its outcome, for each version of a key', async () => {
    const { client } = given.app
    const created = await client.put('life', POLICY, { prefer: 'wait=60' })
    expect(created.status).toBe(201)
    expect(created.headers.get('etag')).toBe('"1"')
    expect(created.headers.get('preference-applied')).toBe('wait')
    expect(created.headers.get('location')).toBeNull()
    const by = { updatedAt: expect.stringMatching(ISO), updatedBy: 'anonymous' }
    expect(created.body).toEqual({ key: 'life', version: 1, ...LONG, ...by })
    expect((await client.get('/config/life')).body).toEqual(created.body)

    const changed = await client.put('life', { ...POLICY, capacity: 20 })
    expect([changed.status, changed.headers.get('etag'), changed.body.version]).toEqual([200, '"2"', 2])

    const same = await client.put('life', { ...POLICY, capacity: 20 })
    expect([same.status, same.headers.get('etag')]).toEqual([200, '"2"'])
    expect(same.body).toEqual(changed.body)

    const deleted = await client.delete('life')
    expect([deleted.status, deleted.text, deleted.headers.get('preference-applied')]).toEqual([204, '', 'wait'])
    expectProblem(await client.get('/config/life'), 404, 'policy-not-found')

    const again = await client.delete('life')
    expectProblem(again, 404, 'policy-not-found')
    expect(again.headers.get('preference-applied')).toBe('wait')

    const back = await client.put('life', POLICY)
    expect([back.status, back.headers.get('etag'), back.body.version]).toEqual([201, '"4"', 4])
  })

  it('leaves every earlier version readable, except for deletions', async () => {
    const { client } = given.app
    const at = (version: number) => client.get(`/config/life?version=${version}`)
    const [first, second, deletion, fourth, fifth] = await Promise.all([1, 2, 3, 4, 5].map(at))
    expect(first?.body).toMatchObject({ key: 'life', version: 1, ...LONG })
    expect(first?.headers.get('etag')).toBe('"1"')
    expect(second?.body).toMatchObject({ version: 2, limits: [{ capacity: 20 }] })
    expect(deletion?.body.detail).toBe('version 3 of "life" is its deletion')
    expect(fourth?.body).toEqual((await client.get('/config/life')).body)
    for (const answer of [deletion, fifth]) if (answer) expectProblem(answer, 404, 'version-not-found')
  })

  it('is obeyed by the next check, on the same process', async () => {
    const { client } = given.app
    for (const capacity of [3, 5, 4]) {
      const { body } = await client.put('obeyed', { ...POLICY, capacity })
      const check = await client.check('obeyed', 0)
      expect(check.body).toMatchObject({ policy: 'obeyed', policyVersion: body.version, limit: capacity })
    }
    await client.delete('obeyed')
    expect((await client.check('obeyed', 0)).body).toMatchObject({ policy: 'default', policyVersion: 0 })
  })

  it('replaces the whole policy: omitted members are removed', async () => {
    await given.app.client.put('whole', { ...POLICY, mode: 'shadow', onStoreFailure: 'deny', description: 'x' })
    const { body } = await given.app.client.put('whole', POLICY)
    const { version, updatedAt, updatedBy, ...rest } = body
    expect(rest).toEqual({ key: 'whole', ...LONG })
  })
})

describe('a command that does not exist is 404:', () => {
  it.each([
    'nonsense',
    '0-00000000-0000-4000-8000-000000000000',
    '99-00000000-0000-4000-8000-000000000000',
    '',
    '%00',
    '..',
    'a%2Fb',
    '*',
  ])('%s', async id => {
    const answer = await rawRequest(given.app.port, { path: `/commands/${id}` })
    expectProblem(answer, 404, 'command-not-found')
  })
})
