import { beforeAll, describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp({ variables: { ADMIN_TOKENS: 'ann:the-secret-of-ann,ben:the-secret-of-ben' } })
const as = (name: string) => given.app.as({ authorization: `Bearer the-secret-of-${name}` })
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const long = (capacity: number) => ({
  limits: [{ name: 'default', ...policy(capacity), refillIntervalMs: 1000 }],
  mode: 'enforce',
})
const history = (query = '') => as('ann').get(`/config/life/history${query}`)
const rollBack = (version: unknown, headers: Record<string, string> = {}, key = 'life') =>
  as('ann').request('POST', `/config/${key}/rollback`, { version }, { prefer: 'wait=60', ...headers })

beforeAll(async () => {
  await as('ann').put('life', policy(1), { 'x-change-reason': 'launch' })
  await as('ben').put('life', policy(2))
  await as('ben').delete('life')
  await as('ann').put('life', { ...policy(4), onStoreFailure: 'deny', description: 'four' })
})

describe('the history of a key', () => {
  it('lists every change once, oldest first, with actor and reason', async () => {
    const { status, body } = await history()
    expect(status).toBe(200)
    const common = { at: expect.stringMatching(ISO), commandId: expect.any(String) }
    expect(body).toEqual({
      key: 'life',
      events: [
        { ...common, version: 1, type: 'created', actor: 'ann', reason: 'launch', policy: long(1) },
        { ...common, version: 2, type: 'changed', actor: 'ben', policy: long(2) },
        { ...common, version: 3, type: 'deleted', actor: 'ben', policy: null },
        {
          ...common,
          version: 4,
          type: 'created',
          actor: 'ann',
          policy: { ...long(4), onStoreFailure: 'deny', description: 'four' },
        },
      ],
    })
    for (const { commandId, version } of body.events) {
      expect((await as('ann').get(`/commands/${commandId}`)).body).toMatchObject({ status: 'applied', version })
    }
  })

  it('is read page by page', async () => {
    const first = await history('?limit=3')
    expect(first.body.events.map(({ version }: { version: number }) => version)).toEqual([1, 2, 3])
    const second = await history(`?limit=3&cursor=${first.body.nextCursor}`)
    expect(second.body.events.map(({ version }: { version: number }) => version)).toEqual([4])
    expect(second.body).not.toHaveProperty('nextCursor')
    expect((await history('?limit=4')).body).not.toHaveProperty('nextCursor')
  })

  it('of a key that never had a policy is 404', async () => {
    expectProblem(await as('ann').get('/config/nobody/history'), 404, 'policy-not-found')
  })

  it.each(['made-up', '', 'djE', 'djEgb3RoZXI', 'djAgbGlmZQ', 'a2xpZmU'])('refuses the cursor %j', async cursor => {
    expectProblem(await history(`?cursor=${cursor}`), 400, 'cursor-invalid')
  })

  it.each(['0', '1001', '-1', '1.5', 'x', ''])('refuses a limit of %j', async limit => {
    expectFields(await history(`?limit=${limit}`), 'validation-failed', ['/query/limit'])
  })
})

describe('a rollback', () => {
  it('makes a new version equal to an earlier one', async () => {
    const answer = await rollBack(2, { 'x-change-reason': 'too many' })
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, '"5"'])
    expect(answer.body).toMatchObject({ key: 'life', version: 5, ...long(2), updatedBy: 'ann' })
    expect(answer.body).not.toHaveProperty('description')
    const { events } = (await history()).body
    expect(events[4]).toMatchObject({ version: 5, type: 'rolled-back', reason: 'too many', policy: long(2) })
  })

  it('that changes nothing makes no event', async () => {
    const answer = await rollBack(2)
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, '"5"'])
    expect((await history()).body.events).toHaveLength(5)
  })

  it('restores a deleted policy', async () => {
    await as('ann').put('deleted', policy(7))
    await as('ann').delete('deleted')
    const answer = await rollBack(1, {}, 'deleted')
    expect([answer.status, answer.body.version]).toEqual([201, 3])
    expect(answer.body).toMatchObject(long(7))
  })

  it('to an unknown version is 404, to a deletion 409', async () => {
    expectProblem(await rollBack(9), 404, 'version-not-found')
    expectProblem(await rollBack(1, {}, 'nobody'), 404, 'version-not-found')
    expectProblem(await rollBack(3), 409, 'version-is-deletion')
    expect((await history()).body.events).toHaveLength(5)
  })

  it('without Prefer: wait is accepted, and rejected later', async () => {
    const accepted = await rollBack(3, { prefer: '' })
    expect([accepted.status, accepted.body.status]).toEqual([202, 'queued'])
    await rollBack(2)
    const { body } = await as('ann').get(`/commands/${accepted.body.commandId}`)
    expect(body).toMatchObject({ status: 'rejected', key: 'life', error: { code: 'version-is-deletion', status: 409 } })
  })

  it('applies conditions', async () => {
    expectProblem(await rollBack(1, { 'if-match': '"2"' }), 412, 'version-conflict')
  })

  it.each([0, -1, 1.5, '1', null])('to version %j is refused', async version => {
    expectFields(await rollBack(version), 'validation-failed', ['/version'])
  })
})

describe('a dry run', () => {
  const dryRun = (capacity: number, headers: Record<string, string> = {}, key = 'life') =>
    as('ben').request('PUT', `/config/${key}?dryRun=true`, policy(capacity), headers)

  it('shows what would be applied, and changes nothing', async () => {
    const changed = await dryRun(50)
    expect(changed.status).toBe(200)
    expect(changed.body).toEqual({ dryRun: true, from: long(2), to: long(50), matches: 0, warnings: [] })
    const created = await dryRun(50, { prefer: 'wait=60', 'idempotency-key': 'dry' }, 'dry')
    expect([created.status, created.body]).toEqual([
      200,
      { dryRun: true, from: null, to: long(50), matches: 0, warnings: [] },
    ])
    expectProblem(await as('ann').get('/config/dry'), 404, 'policy-not-found')
    expect((await history()).body.events).toHaveLength(5)
  })

  it('of an equal policy reports that nothing changes', async () => {
    expect((await dryRun(2)).body).toMatchObject({ from: long(2), to: long(2) })
  })

  it('of a prefix counts the stored policies inside it that still take precedence', async () => {
    for (const key of ['plan:*', 'plan:', 'plan:é', 'plan:vip:*', 'plan:vip:7', 'plam:z', 'plan;']) {
      await as('ann').put(key, policy(1))
    }
    const matches = async (key: string) => (await dryRun(1, {}, encodeURIComponent(key))).body.matches
    expect(await Promise.all(['plan:*', 'plan:vip:*', 'plan:vip*', 'plan:vip:7'].map(matches))).toEqual([4, 1, 2, 0])
    const all = (await as('ann').get('/config')).body.items.length
    expect(await matches('*')).toBe(all)
  })

  it('warns of a key that looks like a network', async () => {
    const { body } = await dryRun(1, {}, encodeURIComponent('ip:10.0.0.0/8'))
    expect(body.warnings).toEqual([
      expect.stringMatching(/^the key "ip:10.0.0.0\/8" looks like a network, but matches/),
    ])
  })

  it('reports what would be rejected or refused', async () => {
    expectProblem(await dryRun(50, { 'if-match': '"1"' }), 412, 'version-conflict')
    expectProblem(await dryRun(50, { 'if-none-match': '*' }), 412, 'version-conflict')
    expectFields(await dryRun(0), 'validation-failed', ['/capacity'])
  })

  it.each(['', 'yes', '1'])('is requested with true, and not with %j', async value => {
    const answer = await as('ann').request('PUT', `/config/life?dryRun=${value}`, policy(3))
    expectFields(answer, 'validation-failed', ['/query/dryRun'])
  })

  it('that is requested with false is an ordinary change', async () => {
    const answer = await as('ann').request('PUT', '/config/wet?dryRun=false', policy(3), { prefer: 'wait=60' })
    expect(answer.status).toBe(201)
  })
})
