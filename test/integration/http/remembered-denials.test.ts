import { describe, expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { rememberedDenial } from '../../support/remembered-denial.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client
/** Refills so slowly that no token comes back during a test. */
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

/** Checks of one key in one batch. */
async function batch(key: string, ...tokens: readonly number[]) {
  const checks = tokens.map(tokens => ({ key, tokens }))
  return (await client().request('POST', '/check/batch', { checks })).body.results
}

/** A key with 5 of 10 tokens left that was denied 6 of them. */
async function givenDenied(key: string): Promise<void> {
  await client().put(key, { ...SLOW, capacity: 10 })
  await client().check(key, 5)
  expect((await client().check(key, 6)).body).toMatchObject({ allowed: false, source: 'redis', remaining: 5 })
}

describe('a denial that the process remembers', () => {
  it('answers the same check, with values that count down', async () => {
    await givenDenied('same')
    const check = () => client().check('same', 6)
    const first = await rememberedDenial(check)
    expect(first.status).toBe(429)
    expect(first.body).toMatchObject({ remaining: 5, 'violated-policies': ['default'] })
    await eventually(async () => {
      const { body } = await check()
      expect(body.source).toBe('denied-cache')
      expect(body.retryAfterMs).toBeLessThan(first.body.retryAfterMs)
      expect(first.body.resetAfterMs - body.resetAfterMs).toBe(first.body.retryAfterMs - body.retryAfterMs)
    })
  })

  it('does not answer a check of another number of tokens', async () => {
    await givenDenied('other')
    expect((await client().check('other', 0)).body).toMatchObject({ source: 'redis', remaining: 5 })
    expect((await client().check('other', 7)).body).toMatchObject({ source: 'redis', allowed: false })
    expect((await client().check('other', 5)).body).toMatchObject({ source: 'redis', allowed: true })
  })

  it('is not obeyed under another version of the policy', async () => {
    await givenDenied('changed')
    await client().put('changed', { ...SLOW, capacity: 11 })
    expect((await client().check('changed', 6)).body).toMatchObject({ source: 'redis', allowed: true, remaining: 0 })
  })

  it('is not outdated after another check has spent', async () => {
    await givenDenied('spent')
    expect((await client().check('spent', 4)).body.remaining).toBe(1)
    const { body } = await client().check('spent', 6)
    expect(body).toMatchObject({ allowed: false, remaining: 1 })
    expect(body.retryAfterMs).toBeGreaterThan(4_900_000)
  })

  it('is not outdated in a batch that spends first', async () => {
    await givenDenied('batched')
    const [spent, denied] = await batch('batched', 4, 6)
    expect([spent, denied]).toMatchObject([
      { allowed: true, remaining: 1 },
      { allowed: false, remaining: 1 },
    ])
    expect(denied.retryAfterMs).toBeGreaterThan(4_900_000)
  })

  it('is not outdated after a batch whose first check was denied and whose second spent', async () => {
    await client().put('after', { ...SLOW, capacity: 10 })
    await client().check('after', 5)
    expect(await batch('after', 6, 4)).toMatchObject([{ allowed: false }, { allowed: true, remaining: 1 }])
    const { body } = await client().check('after', 6)
    expect(body).toMatchObject({ allowed: false, remaining: 1 })
    expect(body.retryAfterMs).toBeGreaterThan(4_900_000)
  })

  it('does not change the order of a batch when it has just expired', async () => {
    await client().put('forgotten', { capacity: 12, refillTokens: 12, refillIntervalMs: 6_000 })
    await client().check('forgotten', 12)
    expect((await client().check('forgotten', 6)).status).toBe(429)
    await eventually(async () => expect((await client().check('forgotten', 0)).body.remaining).toBe(12))
    const results = await batch('forgotten', 6, 6, 4)
    expect(results.map(({ allowed }: { allowed: boolean }) => allowed)).toEqual([true, true, false])
  })
})
