import { randomUUID } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const variables = {
  KEY_PREFIX: `t-${randomUUID()}`,
  // A report that takes longer is lost.
  REDIS_TIMEOUT_MS: '60000',
  ADMIN_TOKENS: 'eve:secret-of-a-reader:read,ann:secret-of-an-admin',
}
const given = givenApp({ variables })
/** A service that keeps nothing that names keys. */
const discreet = givenApp({ variables: { KEY_PREFIX: `t-${randomUUID()}`, LOG_KEYS: 'none' }, worker: false }, given)
const reader = () => given.app.as({ authorization: 'Bearer secret-of-a-reader' })
const admin = () => given.app.as({ authorization: 'Bearer secret-of-an-admin' })

/** Asks these checks of another instance, which reports them when it stops. */
async function check(checks: readonly { readonly key: string; readonly tokens?: number }[]): Promise<void> {
  const other = await TestApp.start(given.store, { variables, worker: false })
  for (const asked of checks) await other.client.request('POST', '/check', asked)
  await other.close()
}

describe('/top', () => {
  it('names the keys with the most checks of all instances, with the policy that decided', async () => {
    await admin().put('few:*', { capacity: 2, refillTokens: 1, refillIntervalMs: 1_000_000 })
    await admin().put('blocked', { mode: 'block' })
    await admin().put('tried:*', { capacity: 1, refillTokens: 1, refillIntervalMs: 1_000_000, mode: 'shadow' })
    const keys = ['few:a', 'few:a', 'few:a', 'few:a', 'few:b', 'blocked', 'tried:c', 'tried:c', 'tried:c']
    await check([...keys.map(key => ({ key })), { key: 'few:b', tokens: 0 }])
    const top = async (by: string) => (await reader().get(`/top?by=${by}&window=5m`)).body.items
    expect(await top('denied')).toEqual([
      { key: 'few:a', policy: 'few:*', count: 2 },
      { key: 'blocked', policy: 'blocked', count: 1 },
    ])
    expect(await top('allowed')).toEqual([
      { key: 'tried:c', policy: 'tried:*', count: 3 },
      { key: 'few:a', policy: 'few:*', count: 2 },
      { key: 'few:b', policy: 'few:*', count: 2 },
    ])
    expect(await top('tokens')).toEqual([
      { key: 'few:a', policy: 'few:*', count: 2 },
      { key: 'few:b', policy: 'few:*', count: 1 },
      { key: 'tried:c', policy: 'tried:*', count: 1 },
    ])
    expect(await top('shadowed')).toEqual([{ key: 'tried:c', policy: 'tried:*', count: 2 }])
  })

  it('counts checks of groups, and what reservations cost once they are settled', async () => {
    await admin().put('group:*', { capacity: 9, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const other = await TestApp.start(given.store, { variables, worker: false })
    const post = (path: string, body: object) => other.client.request('POST', path, body)
    await post('/check/all', { checks: [{ key: 'group:a', tokens: 2 }, { key: 'group:b' }] })
    const { body } = await post('/reservations', { key: 'group:c', tokens: 4 })
    await post(`/reservations/${body.id}/settle`, { tokens: 3 })
    await post('/reservations', { key: 'group:d', tokens: 5 })
    await post('/check/all', { checks: [{ key: 'group:d', tokens: 5 }, { key: 'group:e' }] })
    await other.close()
    const counts = async (by: string) => {
      const { items } = (await reader().get(`/top?by=${by}&window=5m&limit=100`)).body
      const found = items.filter(({ policy }: { policy: string }) => policy === 'group:*')
      return Object.fromEntries(found.map(({ key, count }: { key: string; count: number }) => [key.slice(-1), count]))
    }
    // An answer is shared for a second.
    await eventually(async () => expect(await counts('allowed')).toEqual({ a: 1, b: 1, c: 1, d: 1 }))
    await eventually(async () => expect(await counts('tokens')).toEqual({ a: 2, b: 1, c: 3 }))
    await eventually(async () => expect(await counts('denied')).toEqual({ d: 1 }))
  })

  it('counts the tokens that an overdraft charges, and not all that were asked for', async () => {
    await admin().put('owing:*', { capacity: 2, refillTokens: 1, refillIntervalMs: 1_000_000, overdraft: true })
    const costly = { key: 'owing:a', tokens: 1_000_000 }
    await check([costly, costly])
    // An answer is shared for a second.
    await eventually(async () => {
      const { items } = (await reader().get('/top?by=tokens&window=5m&limit=100')).body
      expect(items).toContainEqual({ key: 'owing:a', policy: 'owing:*', count: 4 })
    })
  })

  it('returns keys as they are, and says what it covers', async () => {
    const keys = ['<script>alert(1)</script>', '\u202Egnp.exe', '"\'`$&', 'é'.repeat(128), '\u2028 \u200B', '{tag}:*']
    await check(keys.map(key => ({ key, tokens: 50 })))
    const before = Date.now()
    const { status, body } = await reader().get('/top?by=tokens&window=1h&limit=6')
    expect(status).toBe(200)
    expect(body.items.map(({ key }: { key: string }) => key).toSorted()).toEqual(keys.toSorted())
    expect(body.maxError).toBe(0)
    expect(Date.parse(body.to)).toBeGreaterThanOrEqual(before)
    const lengthMs = Date.parse(body.to) - Date.parse(body.from)
    expect(lengthMs).toBeGreaterThanOrEqual(3_600_000)
    expect(lengthMs).toBeLessThan(3_660_000)
  })

  it('counts no calls of operators', async () => {
    expect((await reader().get('/top?by=allowed&window=24h&limit=100')).text).not.toContain('admin')
  })

  it('names what it does not understand', async () => {
    const answer = await reader().get('/top?by=errors&window=2m&limit=0')
    expectFields(answer, 'validation-failed', ['/query/by', '/query/window', '/query/limit'])
    expectFields(await reader().get('/top?limit=101'), 'validation-failed', ['/query/limit'])
  })

  it('does not exist if LOG_KEYS is none', async () => {
    await discreet.app.client.check('secret')
    const answer = await discreet.app.client.get('/top')
    expectProblem(answer, 404, 'not-found')
    expect(answer.body.detail).toBe('LOG_KEYS is none, so nothing that names keys is kept')
  })
})
