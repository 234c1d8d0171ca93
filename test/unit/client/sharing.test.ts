import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import { Throttler, type ThrottlerOptions } from '../../../clients/typescript/src/index.ts'
import { allowAll, decision, FakeService, problem } from '../../support/fake-service.ts'

type Answer = NonNullable<ConstructorParameters<typeof FakeService>[0]>

let service: FakeService
afterEach(() => service.stop())

async function given(answer?: Answer, options: Partial<ThrottlerOptions> = {}): Promise<Throttler> {
  service = await new FakeService(answer).start()
  return new Throttler({ url: service.url, onFailure: 'throw', timeoutMs: 10_000, ...options })
}

const keys = (count: number) => Array.from({ length: count }, (_, i) => `user:${i}`)
const indexOf = (key = '') => Number(key.replace('user:', ''))

describe('checks', () => {
  it('are sent alone and at once if no other check waits', async () => {
    const throttler = await given()
    await throttler.check('a')
    await throttler.check('b', 2)
    await throttler.check('c', { tokens: 3 })
    expect(service.calls).toMatchObject([
      { path: '/check', body: { key: 'a', tokens: 1 } },
      { path: '/check', body: { key: 'b', tokens: 2 } },
      { path: '/check', body: { key: 'c', tokens: 3 } },
    ])
  })

  it('share a call if they are asked in the same turn, in the order asked, and each gets its own answer', async () => {
    const throttler = await given()
    const asked = ['a', 'b', 'a', 'c', 'a']
    const decisions = await Promise.all(asked.map((key, i) => throttler.check(key, i)))
    expect(decisions.map(({ key }) => key)).toEqual(asked)
    expect(service.calls.map(({ path }) => path)).toEqual(['/check/batch'])
    expect(service.calls[0]?.body.checks).toEqual(asked.map((key, tokens) => ({ key, tokens })))
  })

  it('keep the policy that they name, alone and in shared calls', async () => {
    const throttler = await given()
    await throttler.check('a', { policy: 'plan:gold' })
    await Promise.all([throttler.check('b', { tokens: 2, policy: 'plan:free' }), throttler.check('c')])
    await throttler.checkMany([{ key: 'd' }, { key: 'e', policy: 'plan:gold' }])
    expect(service.calls.map(({ body }) => body)).toEqual([
      { key: 'a', tokens: 1, policy: 'plan:gold' },
      {
        checks: [
          { key: 'b', tokens: 2, policy: 'plan:free' },
          { key: 'c', tokens: 1 },
        ],
      },
      {
        checks: [
          { key: 'd', tokens: 1 },
          { key: 'e', tokens: 1, policy: 'plan:gold' },
        ],
      },
    ])
  })

  it('go out alone if they name a policy that has no place in a shared call', async () => {
    const throttler = await given()
    const named = (policy: unknown) => throttler.check('a', { policy: policy as string })
    await Promise.all([named('x'.repeat(257)), named(5), named('plan:gold'), named('plan:free')])
    expect(service.calls.map(({ path }) => path).sort()).toEqual(['/check', '/check', '/check/batch'])
  })

  it('that are asked while a call is in flight share the next', async () => {
    let answerFirst: () => void = () => undefined
    const throttler = await given((call, response, index) => {
      if (index > 0) return allowAll(call)
      answerFirst = () => response.end(JSON.stringify(allowAll(call)))
      return undefined
    })
    const first = throttler.check('first')
    while (service.calls.length === 0) await sleep(1)
    const others = ['a', 'b', 'c'].map(key => throttler.check(key))
    answerFirst()
    await Promise.all([first, ...others])
    expect(service.keys).toEqual([['first'], ['a', 'b', 'c']])
  })

  it('are at most a thousand in one call', async () => {
    const throttler = await given()
    const decisions = await Promise.all(keys(2_500).map(key => throttler.check(key)))
    expect(decisions.map(({ key }) => key)).toEqual(keys(2_500))
    // Calls that are sent in parallel may arrive in any order.
    const calls = service.keys.toSorted(([a], [b]) => indexOf(a) - indexOf(b))
    expect(calls.map(({ length }) => length)).toEqual([1_000, 1_000, 500])
    expect(calls.flat()).toEqual(keys(2_500))
  })

  it('do not wait for a slow call until they time out', async () => {
    const throttler = await given((call, _, index) => (index === 0 ? undefined : allowAll(call)))
    let isSettled = false
    const settle = () => {
      isSettled = true
    }
    void throttler.check('slow').then(settle, settle)
    while (service.calls.length === 0) await sleep(1)
    await expect(throttler.check('a')).resolves.toMatchObject({ allowed: true, key: 'a' })
    expect(isSettled).toBe(false)
  })

  it('time out individually while the service hangs, in a bounded number of calls', async () => {
    let inFlight = 0
    let mostInFlight = 0
    const hang: Answer = (_, response) => {
      mostInFlight = Math.max(mostInFlight, ++inFlight)
      response.on('close', () => inFlight--)
    }
    const throttler = await given(hang, { timeoutMs: 320 })
    const ask = async (key: string) => {
      const askedAtMs = performance.now()
      const { name } = await throttler.check(key).catch(err => err)
      return { name, waitedItsTime: performance.now() - askedAtMs > 310 }
    }
    const checks: Promise<unknown>[] = []
    for (const key of keys(100)) {
      checks.push(ask(key))
      await sleep(3)
    }
    for (const check of await Promise.all(checks)) expect(check).toEqual({ name: 'TimeoutError', waitedItsTime: true })
    expect(mostInFlight).toBeGreaterThan(1)
    // 16 calls in flight, and as many that were aborted before the server noticed.
    expect(mostInFlight).toBeLessThanOrEqual(32)
  })

  it('get calls of their own without shareCalls', async () => {
    const throttler = await given(undefined, { shareCalls: false })
    await Promise.all(['a', 'b', 'c'].map(key => throttler.check(key)))
    expect(service.calls.map(({ path }) => path)).toEqual(['/check', '/check', '/check'])
    await throttler.checkMany([{ key: 'a' }, { key: 'b', tokens: 2 }])
    expect(service.calls[3]).toMatchObject({ path: '/check/batch', body: { checks: [{}, { key: 'b', tokens: 2 }] } })
  })

  it('have the same decision, whether they shared a call or not', async () => {
    const denied = decision('a', { allowed: false, remaining: 0, retryAfterMs: 100, 'violated-policies': ['default'] })
    const throttler = await given(({ body }, response) =>
      body.checks === undefined
        ? problem(response, 429, 'quota-exceeded', { ...denied, instance: 'urn:request:1' })
        : { results: [denied, { ...decision('b'), allowed: false, code: 'blocked' }] },
    )
    const alone = await throttler.check('a')
    const [shared, blocked] = await throttler.checkMany([{ key: 'a' }, { key: 'b' }])
    expect(alone).toEqual({ ...denied, code: 'quota-exceeded' })
    expect(shared).toEqual(alone)
    expect(blocked).toMatchObject({ allowed: false, code: 'blocked' })
  })
})

describe('a check that the service refuses', () => {
  const refuse = ['bad', 'worse']

  it('does not affect the other checks of the batch', async () => {
    const throttler = await given((call, response) => {
      const errors = (call.body.checks ?? []).flatMap(({ key }, i) =>
        refuse.includes(key) ? [{ path: `/checks/${i}/key`, message: `${key} is not allowed` }] : [],
      )
      return errors.length > 0 ? problem(response, 400, 'key-invalid', { errors }) : allowAll(call)
    })
    const asked = ['a', 'bad', 'b', 'worse', 'a']
    const results = await Promise.allSettled(asked.map(key => throttler.check(key)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: { name: 'ServiceError', code: 'key-invalid', status: 400 } })
    expect(service.keys).toEqual([asked, ['a', 'b', 'a']])
  })

  it('is not sent again if the service names an index that the batch does not have', async () => {
    const throttler = await given((_, response) =>
      problem(response, 400, 'key-invalid', { errors: [{ path: '/checks/7/key', message: 'bad' }] }),
    )
    const results = await Promise.allSettled([throttler.check('a'), throttler.check('b')])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(service.calls).toHaveLength(1)
  })

  it.each([
    ['is too long', 'x'.repeat(257), 1],
    ['is not a string', 42, 1],
    ['is asked for half a token', 'half', 0.5],
    ['is asked for tokens that are not a number', 'two', '2'],
  ])('is not put in a batch if its key %s', async (_, key, tokens) => {
    const throttler = await given()
    await Promise.all([throttler.check('a'), throttler.check(key as string, tokens as number), throttler.check('b')])
    expect(service.keys.toSorted((a, b) => a.length - b.length)).toEqual([[key], ['a', 'b']])
  })
})
