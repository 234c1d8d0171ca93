import { describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client
/** Refills so slowly that no token comes back during a test. */
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }
const SLOTS = { name: 'slots', kind: 'concurrency', capacity: 5 }

const reserve = (body: object) => client().request('POST', '/reservations', body)
const release = (id: string) => client().request('DELETE', `/reservations/${id}`)
const settle = (id: string) => client().request('POST', `/reservations/${id}/settle`)
const held = async (key: string, tokens: number): Promise<string> => (await reserve({ key, tokens })).body.id

describe('a concurrency limit', () => {
  it('is shown as it was given, and imported as it was exported', async () => {
    const limits = [SLOTS, { ...SLOTS, name: 'fewer', capacity: 2, shadow: true }]
    const answer = await client().put('shown', { limits })
    expect([answer.status, answer.body.limits]).toEqual([201, limits])
    const { text } = await client().get('/config/export')
    const line = text.split('\n').find(line => line.includes('"shown"')) ?? ''
    expect(line).toBe(JSON.stringify({ key: 'shown', limits, mode: 'enforce' }))
    const imported = await client().request('POST', '/config/import', `${line}\n`, {
      'content-type': 'application/x-ndjson',
      prefer: 'wait=60',
    })
    expect(imported.body).toMatchObject({ status: 'applied', unchanged: 1 })
  })

  it.each<[string, object, string[]]>([
    ['without a capacity', { kind: 'concurrency' }, ['/capacity']],
    ['with a capacity of 0', { kind: 'concurrency', capacity: 0 }, ['/capacity']],
    ['with a refill', { kind: 'concurrency', capacity: 1, refillTokens: 1 }, ['/refillTokens']],
    ['with a period', { limits: [{ ...SLOTS, period: 'day' }] }, ['/limits/0/period']],
    ['beside another one of the same name', { limits: [SLOTS, SLOTS] }, ['/limits/1/name']],
    ['alone as a shadow limit', { limits: [{ ...SLOTS, shadow: true }] }, ['/limits/0/shadow']],
  ])('%s is refused', async (_, policy, paths) => {
    expectFields(await client().put('refused', policy), 'validation-failed', paths)
  })

  it('allows its capacity of reservations at once, however many tokens they hold, and denies no check', async () => {
    const limits = [
      { name: 'burst', capacity: 10, ...SLOW },
      { name: 'in-flight', kind: 'concurrency', capacity: 2 },
    ]
    await client().put('jobs', { limits })
    const first = await reserve({ key: 'jobs', tokens: 0 })
    const second = await reserve({ key: 'jobs', tokens: 1 })
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.body).toMatchObject({
      limit: 2,
      remaining: 0,
      limits: [
        { name: 'burst', remaining: 9 },
        { name: 'in-flight', limit: 2, remaining: 0 },
      ],
    })
    expect(second.headers.get('ratelimit-policy')).toBe(
      '"burst";q=10;w=10000, "in-flight";q=2;qu="concurrent-requests"',
    )
    expect(second.headers.get('ratelimit')).toMatch(/^"burst";r=9;t=\d+, "in-flight";r=0;t=\d+$/)
    const third = await reserve({ key: 'jobs', tokens: 0 })
    expectProblem(third, 429, 'quota-exceeded')
    expect(third.body).toMatchObject({ 'violated-policies': ['in-flight'], remaining: 0, limit: 2 })
    expect(third.body.retryAfterMs).toBeGreaterThan(50_000)
    const check = await client().check('jobs')
    expect([check.status, check.body.limit, check.body.limits[1].remaining]).toEqual([200, 10, 0])
    expect(check.headers.get('ratelimit-policy')).toBe('"burst";q=10;w=10000')
    await release(first.body.id)
    expect((await reserve({ key: 'jobs', tokens: 0 })).status).toBe(201)
  })

  it('alone binds every check', async () => {
    await client().put('slots', { kind: 'concurrency', capacity: 1 })
    const shown = await client().get('/config/slots')
    expect(shown.body.limits).toEqual([{ name: 'default', kind: 'concurrency', capacity: 1 }])
    const check = await client().check('slots', 1_000)
    expect([check.status, check.body.limit, check.body.remaining]).toEqual([200, 1, 1])
    expect(check.headers.get('ratelimit-policy')).toBe('"default";q=1;qu="concurrent-requests"')
    const id = await held('slots', 5)
    expectProblem(await reserve({ key: 'slots' }), 429, 'quota-exceeded')
    expect((await settle(id)).body).toMatchObject({ limit: 1, remaining: 1, allowed: true })
  })
})
