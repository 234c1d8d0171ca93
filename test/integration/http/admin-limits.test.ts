import { describe, expect, it } from '@jest/globals'
import type { Answer } from '../../support/client.ts'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

/** As many as the calls of `refusalAmongTen`. Each makes so few calls that its own limit refuses none. */
const CALLERS = Array.from({ length: 10 }, (_, i) => `secret-token-of-caller-${i}`)
const ADMIN_TOKENS = [
  'ann:secret-token-of-ann',
  'ben:secret-token-of-ben',
  ...CALLERS.map((token, i) => `caller-${i}:${token}`),
].join(',')
const TIGHT = { ADMIN_TOKENS, ADMIN_CAPACITY: '3', ADMIN_REFILL_PER_SECOND: '1', TRUST_PROXY: 'loopback' }

const base = givenApp({ variables: TIGHT })
const guarded = givenApp(
  { variables: { ADMIN_TOKENS, CHECK_TOKENS: 'gate:secret-token-of-gate', TRUST_PROXY: 'loopback' } },
  base,
)
const cramped = givenApp({ variables: { ADMIN_TOKENS, MAX_WAITING_CHECKS: '1', TRUST_PROXY: 'loopback' } }, base)
const direct = givenApp({ variables: { ...TIGHT, TRUST_PROXY: '' } }, base)

type Given = typeof base
const from = (given: Given, address: string, token: string) =>
  given.app.as({ authorization: `Bearer ${token}`, 'x-forwarded-for': address })

const times = (count: number, ask: (i: number) => Promise<Answer>) =>
  Promise.all(Array.from({ length: count }, (_, i) => ask(i)))
const statuses = (answers: readonly Answer[]) => answers.map(({ status }) => status)

/**
 * Makes ten calls at once. Expects that the limit allows three of them, and one more for each second that they take. Resolves with a
 * call that was refused.
 */
async function refusalAmongTen(call: (i: number) => Promise<Answer>): Promise<Answer> {
  const startMs = performance.now()
  const answers = await times(10, call)
  const refilled = Math.ceil((performance.now() - startMs) / 1_000)
  const [allowed = [], refused = []] = [200, 429].map(wanted => answers.filter(({ status }) => status === wanted))
  expect(allowed.length).toBeGreaterThanOrEqual(3)
  expect(allowed.length).toBeLessThanOrEqual(3 + refilled)
  expect(refused).toHaveLength(10 - allowed.length)
  const [refusal] = refused as [Answer]
  expectProblem(refusal, 429, 'admin-limit-exceeded')
  return refusal
}

describe('admin calls are limited', () => {
  it('for each token, from any address', async () => {
    const refused = await refusalAmongTen(i => from(base, `192.0.2.${i}`, 'secret-token-of-ann').get('/config'))
    expect(refused.headers.get('retry-after')).toBe('1')
  })

  it('for each address, with any token', async () => {
    const own = givenAddress()
    await refusalAmongTen(i => from(base, own, CALLERS[i] ?? '').get('/config'))
    expect((await from(base, givenAddress(), CALLERS[0] ?? '').get('/config')).status).toBe(200)
  })

  it('even if only one check may wait', async () => {
    const call = () => from(cramped, givenAddress(), 'secret-token-of-ann').get('/config')
    expect(statuses([await call(), await call()])).toEqual([200, 200])
  })

  it('without a trusted proxy, by the address of the connection', async () => {
    await refusalAmongTen(i => from(direct, givenAddress(), CALLERS[i] ?? '').get('/config'))
  })
})

describe('failed logins', () => {
  it('are limited for each address, on every route, and never cause a valid token to be refused', async () => {
    const address = givenAddress()
    const wrong = from(guarded, address, 'wrong')
    const answers = await times(100, i => (i % 2 === 0 ? wrong.get('/config') : wrong.check('k')))
    expect(statuses(answers).filter(status => status === 401).length).toBeGreaterThanOrEqual(50)
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
    const answers = await times(100, i => from(guarded, `2001:db8:1:2::${i}`, 'wrong').get('/config'))
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
