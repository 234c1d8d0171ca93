import { beforeAll, describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })

beforeAll(async () => {
  await client().put('k', policy(1))
  await client().put('k', policy(2))
})

describe('If-Match', () => {
  it.each(['"2"', '"1", "2"', ' "7" , "2" ', '*'])('%s lets a change of version 2 pass', async ifMatch => {
    const answer = await client().put('k', policy(2), { 'if-match': ifMatch })
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, '"2"'])
  })

  it.each(['"1"', '"3", "1"', '"99999999999999999999"', `"${'9'.repeat(400)}"`])(
    '%s refuses a change of version 2',
    async ifMatch => {
      for (const answer of [
        await client().put('k', policy(9), { 'if-match': ifMatch }),
        await client().delete('k', { 'if-match': ifMatch }),
      ]) {
        expectProblem(answer, 412, 'version-conflict')
        expect(answer.body.detail).toContain('the policy is at version 2')
      }
      expect((await client().get('/config/k')).body).toMatchObject({ version: 2, limits: [{ capacity: 2 }] })
    },
  )

  it('"99999999999999999999" is answered by a sentence that says why', async () => {
    const { body } = await client().put('k', policy(9), { 'if-match': '"99999999999999999999"' })
    expect(body.detail).toBe('the policy is at version 2; If-Match asks for versions that no policy has')
  })

  it.each(['*', '"1"'])('%s refuses a change of a key without a policy', async ifMatch => {
    expectProblem(await client().put('nobody', policy(1), { 'if-match': ifMatch }), 412, 'version-conflict')
    expectProblem(await client().delete('nobody', { 'if-match': ifMatch }), 412, 'version-conflict')
  })

  it.each(['2', 'W/"2"', '"abc"', '"2', '"2" "3"', '"02"', ''])('%j is refused at once', async ifMatch => {
    const answer = await client().request('PUT', '/config/k', policy(9), { 'if-match': ifMatch })
    expectFields(answer, 'validation-failed', ['/headers/if-match'])
    expect(answer.body.detail).toMatch(/"3", "4", "2-ended" or \* are allowed/)
  })
})

describe('If-None-Match: *', () => {
  it('lets only one of many create a policy', async () => {
    const create = (capacity: number) => client().put('once', policy(capacity), { 'if-none-match': '*' })
    const answers = await Promise.all([1, 2, 3, 4, 5].map(create))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 412, 412, 412, 412])
    expect((await client().get('/config/once')).body.version).toBe(1)
  })

  it('lets a policy be created again after its deletion', async () => {
    await client().delete('once')
    expect((await client().put('once', policy(1), { 'if-none-match': '*' })).status).toBe(201)
  })

  it.each(['"1"', '* *', ''])('is the only form: %j is refused at once', async ifNoneMatch => {
    const answer = await client().request('PUT', '/config/k', policy(9), { 'if-none-match': ifNoneMatch })
    expectFields(answer, 'validation-failed', ['/headers/if-none-match'])
  })

  it('without Prefer: wait is accepted, and rejected later', async () => {
    const { status, body } = await client().request('PUT', '/config/k', policy(9), { 'if-none-match': '*' })
    expect(status).toBe(202)
    expectProblem(await client().put('k', policy(2), { 'if-none-match': '*' }), 412, 'version-conflict')
    const command = await client().get(`/commands/${body.commandId}`)
    expect(command.body).toMatchObject({ status: 'rejected', error: { code: 'version-conflict', status: 412 } })
  })
})

describe('Prefer', () => {
  it.each([
    'wait=5',
    'wait = 5',
    'WAIT=5',
    'wait="5"',
    'wait=05',
    'respond-async, wait=5',
    'wait=5; hint=x',
    'x="a, b", wait=5',
    'wait=61',
    'wait=99999999999999999999',
    'wait=5, wait=0',
  ])('%s waits', async prefer => {
    const answer = await client().put('k', policy(2), { prefer })
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([200, 'wait'])
  })

  it.each([
    'wait',
    'wait=',
    'wait=0',
    'wait=-1',
    'wait=1.5',
    'wait=5s',
    'wait="5',
    'await=5',
    'x; wait=5',
    'x="y, wait=5"',
    'respond-async',
    '=',
    '"',
    '',
  ])('%j does not wait', async prefer => {
    const answer = await client().put('k', policy(2), { prefer })
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, null])
  })
})

describe('X-Change-Reason', () => {
  const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

  it('may have 500 characters, including non-ASCII ones', async () => {
    const answer = await client().put('k', policy(2), { 'x-change-reason': latin1('ü'.repeat(500)) })
    expect(answer.status).toBe(200)
  })

  it('of more characters is refused, and nothing is changed', async () => {
    const answer = await client().put('k', policy(9), { 'x-change-reason': 'x'.repeat(501) })
    expectFields(answer, 'validation-failed', ['/headers/x-change-reason'])
    expect(answer.body.detail).toContain('has 501 characters; at most 500 are allowed')
    expect((await client().get('/config/k')).body.version).toBe(2)
  })
})
