import { describe, expect, it } from '@jest/globals'
import type { Answer } from '../../support/client.ts'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const ADMIN_TOKENS = 'ann:secret-token-of-ann,ben:secret-token-of-ben,cat:secret-token-of-cat'
const TIGHT = { ADMIN_TOKENS, ADMIN_CAPACITY: '3', ADMIN_REFILL_PER_SECOND: '1', TRUST_PROXY: 'loopback' }

const base = givenApp({ variables: TIGHT })
const guarded = givenApp(
  { variables: { ADMIN_TOKENS, CHECK_TOKENS: 'gate:secret-token-of-gate', TRUST_PROXY: 'loopback' } },
  base,
)
const direct = givenApp({ variables: { ...TIGHT, TRUST_PROXY: '' } }, base)

type Given = typeof base
const from = (given: Given, address: string, token: string) =>
  given.app.as({ authorization: `Bearer ${token}`, 'x-forwarded-for': address })

const times = async (count: number, ask: () => Promise<Answer>) => {
  const answers: Answer[] = []
  for (let i = 0; i < count; i++) answers.push(await ask())
  return answers
}
const statuses = (answers: readonly Answer[]) => answers.map(({ status }) => status)

describe('admin calls are limited', () => {
  it('for each token, from any address', async () => {
    const calls: Answer[] = []
    for (const i of [1, 2, 3, 4]) calls.push(await from(base, `192.0.2.${i}`, 'secret-token-of-ann').get('/config'))
    expect(statuses(calls)).toEqual([200, 200, 200, 429])
    const [, , , refused] = calls as [Answer, Answer, Answer, Answer]
    expectProblem(refused, 429, 'admin-limit-exceeded')
    expect(refused.headers.get('retry-after')).toBe('1')
  })

  it('for each address, with any token', async () => {
    const own = givenAddress()
    const calls = await times(3, () => from(base, own, 'secret-token-of-ben').get('/config'))
    expect(statuses(calls)).toEqual([200, 200, 200])
    expectProblem(await from(base, own, 'secret-token-of-cat').get('/config'), 429, 'admin-limit-exceeded')
    expect((await from(base, givenAddress(), 'secret-token-of-cat').get('/config')).status).toBe(200)
  })

  it('without a trusted proxy, by the address of the connection', async () => {
    await times(3, () => from(direct, givenAddress(), 'secret-token-of-ann').get('/config'))
    expectProblem(await from(direct, givenAddress(), 'secret-token-of-ben').get('/config'), 429, 'admin-limit-exceeded')
  })
})

describe('failed logins', () => {
  it('are limited for each address, on every route, and never cause a valid token to be refused', async () => {
    const address = givenAddress()
    const wrong = from(guarded, address, 'wrong')
    const answers = [...(await times(30, () => wrong.get('/config'))), ...(await times(30, () => wrong.check('k')))]
    expect(statuses(answers).slice(0, 50)).toEqual(Array(50).fill(401))
    const refused = answers.find(({ status }) => status === 429) as Answer
    expectProblem(refused, 429, 'too-many-failed-logins')
    expect(refused.headers.get('retry-after')).toBe('1')
    expect((await from(guarded, address, 'secret-token-of-ann').get('/config')).status).toBe(200)
    expect((await from(guarded, address, 'secret-token-of-gate').check('k')).status).toBe(200)
    expect((await from(guarded, givenAddress(), 'wrong').get('/config')).status).toBe(401)
  })

  it('do not include requests without a token', async () => {
    const nobody = guarded.app.as({ 'x-forwarded-for': givenAddress() })
    expect(statuses(await times(60, () => nobody.get('/config')))).toEqual(Array(60).fill(401))
  })

  it('do not include a valid token that is sent as a password where only Bearer is accepted', async () => {
    const authorization = `Basic ${Buffer.from('ann:secret-token-of-ann').toString('base64')}`
    const ann = guarded.app.as({ 'x-forwarded-for': givenAddress(), authorization })
    const answers = await times(60, () => ann.request('POST', '/check/batch', { checks: [{ key: 'k' }] }))
    expect(statuses(answers)).toEqual(Array(60).fill(401))
  })

  it('of one /64 count together', async () => {
    const answers: Answer[] = []
    for (let i = 1; i <= 60; i++) answers.push(await from(guarded, `2001:db8:1:2::${i}`, 'wrong').get('/config'))
    expect(statuses(answers)).toContain(429)
    expect((await from(guarded, '2001:db8:1:3::1', 'wrong').get('/config')).status).toBe(401)
  })
})

describe('the buckets of the service itself', () => {
  it('are not matched by policies, and cannot be read by callers', async () => {
    const ben = from(guarded, givenAddress(), 'secret-token-of-ben')
    await ben.put('*', { capacity: 1, refillTokens: 1, mode: 'block' })
    expect(statuses(await times(3, () => ben.get('/config')))).toEqual([200, 200, 200])
    expectProblem(await ben.get('/buckets/%00admin:calls:address:127.0.0.1'), 400, 'key-invalid')
  })
})

let used = 0
/** An address that no other test has used. */
function givenAddress(): string {
  used++
  return `198.51.100.${used}`
}
