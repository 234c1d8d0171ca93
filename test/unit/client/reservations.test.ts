import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { ServiceError, Throttler, type ThrottlerOptions } from '../../../clients/typescript/src/index.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeReservations } from '../../support/fake-reservations.ts'
import { type Answer, decision, FakeService, problem } from '../../support/fake-service.ts'

const TIMEOUT_MS = 10_000

let service: FakeService
let reservations: FakeReservations
let failures: unknown[]
beforeEach(() => {
  reservations = new FakeReservations()
  failures = []
})
afterEach(async () => {
  jest.restoreAllMocks()
  jest.useRealTimers()
  await service.stop()
})

/** @param answer may answer in place of the reservations; `undefined`: it leaves it to them */
async function given(options: Partial<ThrottlerOptions> = {}, answer?: Answer): Promise<Throttler> {
  service = await new FakeService(answer ?? reservations.answer).start()
  // Calls in the background of an earlier test may still fail.
  const reported = failures
  const onError = (failure: unknown) => reported.push(failure)
  return new Throttler({ url: service.url, onFailure: 'throw', timeoutMs: TIMEOUT_MS, onError, ...options })
}

/** From now on, the timers of the client wait for `advanceTimersByTime`, so that none fires early on a slow machine. */
function holdTimers(): void {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance', 'Date'] })
}

/** Lets the call that hangs time out. @param index its place among all calls */
async function timeOut(index: number): Promise<void> {
  await eventually(() => expect(service.calls).toHaveLength(index + 1))
  jest.advanceTimersByTime(TIMEOUT_MS)
}

/** Fails the first calls of a path in this way, and answers all others. */
function failing(pattern: RegExp, times: number, fail: Answer): Answer {
  let failed = 0
  return (call, response, index) => {
    if (pattern.test(`${call.method} ${call.path}`) && failed++ < times) return fail(call, response, index)
    return reservations.answer(call, response)
  }
}

const RESERVE = /POST .reservations$/
const SETTLE = /settle$/
const unavailable: Answer = (_, response) => problem(response, 503, 'store-unavailable')
const disconnect: Answer = (_, response) => void response.destroy()
/** Does what is asked, and answers nobody. */
const loseAnswer: Answer = call => {
  const nobody = { writeHead: () => nobody, end: () => nobody } as unknown as ServerResponse
  reservations.answer(call, nobody)
}
const loseConnection: Answer = (call, response, index) => {
  loseAnswer(call, response, index)
  response.destroy()
}
const hang: Answer = () => undefined
const invalid: Answer = (_, response) => problem(response, 400, 'validation-failed')
const draining: Answer = (_, response) => problem(response, 503, 'draining')
const allowLocally: Answer = (_, response) => {
  response.writeHead(201)
  return { id: null, ...decision('a', { degraded: true, source: 'local' }) }
}
const denyLocally: Answer = (_, response) =>
  problem(response, 429, 'quota-exceeded', decision('a', { allowed: false, degraded: true, source: 'local' }))
const denyForTooMany: Answer = (_, response) => problem(response, 429, 'too-many-reservations', { key: 'a' })

/** Does what is asked, and answers something else. */
function answeringInstead(answer: Answer): Answer {
  return (call, response, index) => {
    loseAnswer(call, response, index)
    return answer(call, response, index)
  }
}

/** Loses the connection of the first call after it has held, and answers the second in this way. */
function losingTheFirst(answerSecond: Answer): Answer {
  return failing(RESERVE, 2, (call, response, index) =>
    (index === 0 ? loseConnection : answerSecond)(call, response, index),
  )
}

/** Refuses the second connection, as while a process restarts. Calls in the background of earlier tests have a service of their own. */
function refuseSecondConnection(): void {
  const { fetch } = globalThis
  let connections = 0
  jest.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    if (!String(input).startsWith(service.url) || ++connections !== 2) return fetch(input, init)
    throw new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) })
  })
}

/** Until no call comes for a second. Calls that are repeated in these tests are repeated sooner. */
async function untilQuiet(): Promise<void> {
  let before: number
  do {
    before = service.calls.length
    await sleep(1_000)
  } while (service.calls.length > before)
}

const paths = () => service.calls.map(({ method, path }) => `${method} ${decodeURIComponent(path)}`)

describe('a reservation', () => {
  it('holds what is asked for, and is settled with the actual cost', async () => {
    const throttler = await given()
    const options = { tokens: 4, policy: 'plan:gold', ttlMs: 5_000, onExpiry: 'release' } as const
    const reservation = await throttler.reserve('user:42', options)
    expect(reservation).toMatchObject({ allowed: true, decision: { key: 'user:42', remaining: 6 } })
    expect(reservations.held).toBe(4)
    expect(await reservation.settle(3)).toEqual({
      status: 'settled',
      checks: [{ key: 'user:42', tokens: 3, charged: 3 }],
    })
    expect([reservations.held, reservations.spent]).toEqual([0, 3])
    expect(service.calls).toMatchObject([
      { path: '/reservations', body: { key: 'user:42', ...options } },
      { path: '/reservations/0%2F0/settle', body: { tokens: 3 } },
    ])
    expect(failures).toEqual([])
  })

  it('is settled with what was reserved unless an amount is given', async () => {
    const throttler = await given()
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(await reservation.settle()).toMatchObject({ status: 'settled', checks: [{ charged: 4 }] })
    expect(service.calls[0]?.body).toEqual({ key: 'a', tokens: 4, ttlMs: 60_000 })
  })

  it('is released without a charge', async () => {
    const throttler = await given()
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(await reservation.release()).toEqual({ status: 'released', checks: [] })
    expect([reservations.held, reservations.spent]).toEqual([0, 0])
    expect(paths()).toEqual(['POST /reservations', 'DELETE /reservations/0/0'])
  })

  it('is released at the end of its scope if it was not settled', async () => {
    const throttler = await given()
    const work = async () => {
      await using unused = await throttler.reserve('a', { tokens: 1 })
      await using used = await throttler.reserve('a', { tokens: 2 })
      void used.settle(1)
      throw new Error(`failed with ${unused.decision.allowed}`)
    }
    await expect(work()).rejects.toThrow('failed with true')
    expect(reservations.holds.map(({ status }) => status)).toEqual(['released', 'settled'])
  })

  it('is not released by finally if it was settled', async () => {
    const throttler = await given()
    const reservation = await throttler.reserve('a', { tokens: 2 })
    const settled = await reservation.settle(1)
    expect(await reservation.release()).toBe(settled)
    expect(await reservation.settle(1)).toBe(settled)
    expect(service.calls).toHaveLength(2)
  })

  it('cannot be settled with other amounts, or after it was released', async () => {
    const throttler = await given({ onFailure: 'allow' })
    const settled = await throttler.reserve('a', { tokens: 2 })
    await settled.settle(1)
    const ended = { name: 'ReservationEndedError', code: 'reservation-ended' }
    const message = 'The reservation cannot be settled: settle with other amounts was called before'
    expect(await settled.settle(2)).toMatchObject({ status: 'failed', failure: { ...ended, message } })
    const released = await throttler.reserve('a', { tokens: 2 })
    void released.release()
    expect(await released.settle()).toMatchObject({ status: 'failed', failure: { message: /release was called/ } })
    expect(failures).toMatchObject([ended, ended])
    expect(failures).not.toContainEqual(expect.any(ServiceError))
  })

  it('that is denied holds nothing, and asks nothing more', async () => {
    const throttler = await given()
    await using denied = await throttler.reserve('a', { tokens: 11, extend: true, ttlMs: 1_000 })
    expect(denied).toMatchObject({ allowed: false, decision: { code: 'quota-exceeded', retryAfterMs: 1_000 } })
    expect(await denied.settle(5)).toEqual({ status: 'none', checks: [] })
    expect(service.calls).toHaveLength(1)
  })

  it('that is allowed without a hold asks nothing more', async () => {
    const throttler = await given({}, allowLocally)
    const reservation = await throttler.reserve('a', { tokens: 1, extend: true })
    expect(reservation).toMatchObject({ allowed: true, decision: { source: 'local' } })
    expect(await reservation.settle(5)).toEqual({ status: 'none', checks: [] })
    expect(await reservation.settle(4)).toEqual({ status: 'none', checks: [] })
    expect(await reservation.release()).toEqual({ status: 'none', checks: [] })
    expect(failures).toEqual([])
    expect(service.calls).toHaveLength(1)
  })

  it.each(['allow', 'throw'] as const)('beyond the most of a key is denied with onFailure "%s"', async onFailure => {
    const throttler = await given({ onFailure }, denyForTooMany)
    const failure = { status: 429, code: 'too-many-reservations' }
    const reservation = await throttler.reserve('a', { tokens: 1 })
    expect(reservation).toMatchObject({ allowed: false, decision: { key: 'a', source: 'client', failure } })
    expect(await reservation.settle()).toEqual({ status: 'none', checks: [] })
    expect(failures).toMatchObject([failure])
    expect(await throttler.reserveAll([{ key: 'a' }])).toMatchObject({ allowed: false })
  })

  it('of something that cannot be written as JSON fails at once, and only once', async () => {
    const throttler = await given({ onFailure: 'deny' })
    expect(await throttler.reserve('a', { tokens: 1n as never })).toMatchObject({ allowed: false })
    await sleep(20)
    expect([failures, service.calls]).toMatchObject([[{ name: 'TypeError' }], []])
  })
})

describe('a reservation of several keys', () => {
  const checks = [
    { key: 'user:42', tokens: 2 },
    { key: 'team:7', policy: 'plan:team' },
  ]

  it('is held together, and settled with an amount for each key', async () => {
    const throttler = await given()
    const reservation = await throttler.reserveAll(checks, { ttlMs: 2_000 })
    expect(service.calls[0]?.body).toEqual({ checks, ttlMs: 2_000 })
    expect(reservation.decision).toMatchObject({ allowed: true, results: [{ key: 'user:42' }, { key: 'team:7' }] })
    const amounts = [
      { key: 'user:42', tokens: 3 },
      { key: 'team:7', tokens: 0 },
    ]
    expect(await reservation.settle(amounts)).toEqual({
      status: 'settled',
      checks: [
        { key: 'user:42', tokens: 3, charged: 3 },
        { key: 'team:7', tokens: 0, charged: 0 },
      ],
    })
    expect(service.calls[1]?.body).toEqual({ checks: amounts })
  })

  it('does what onFailure says for every key', async () => {
    const throttler = await given({ onFailure: 'deny' }, (_, response) => problem(response, 400, 'keys-apart'))
    const fallback = { allowed: false, source: 'client', failure: { code: 'keys-apart' } }
    const { decision: denied } = await throttler.reserveAll(checks)
    expect(denied).toMatchObject({ ...fallback, key: 'user:42', results: [fallback, { ...fallback, key: 'team:7' }] })
    expect(failures).toHaveLength(1)
  })
})

describe('a reservation whose answer is lost', () => {
  it('is asked for again under the same Idempotency-Key if the connection breaks', async () => {
    const throttler = await given({}, failing(RESERVE, 1, loseConnection))
    await using reservation = await throttler.reserve('a', { tokens: 4 })
    expect(reservation.allowed).toBe(true)
    expect(reservations.holds).toHaveLength(1)
    const [first, second] = service.calls.map(({ idempotencyKey }) => idempotencyKey)
    expect([first, second]).toEqual([expect.stringMatching(/^[\w-]{36}$/), first])
  })

  it('fails if the connection breaks again', async () => {
    const throttler = await given({ onFailure: 'allow' }, failing(RESERVE, 2, disconnect))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(reservation.decision).toMatchObject({ allowed: true, source: 'client', failure: { name: 'TypeError' } })
    expect(failures).toHaveLength(1)
  })

  it('is found again when it is settled, if it was allowed', async () => {
    const throttler = await given({ onFailure: 'allow' }, failing(RESERVE, 1, loseAnswer))
    holdTimers()
    const [reservation] = await Promise.all([throttler.reserve('a', { tokens: 4 }), timeOut(0)])
    const failure = { name: 'TimeoutError', message: `no answer within ${TIMEOUT_MS} ms` }
    expect(reservation.decision).toMatchObject({ allowed: true, key: 'a', failure })
    expect(await reservation.settle(3)).toMatchObject({ status: 'settled', checks: [{ charged: 3 }] })
    expect([reservations.holds.length, reservations.held, reservations.spent]).toEqual([1, 0, 3])
  })

  it.each(['deny', 'throw'] as const)('is released in the background with onFailure "%s"', async onFailure => {
    const throttler = await given({ onFailure }, failing(RESERVE, 1, loseAnswer))
    holdTimers()
    const reserved = throttler.reserve('a', { tokens: 4 }).catch(err => err)
    await timeOut(0)
    expect(await reserved).toMatchObject(onFailure === 'throw' ? { name: 'TimeoutError' } : { allowed: false })
    await eventually(() => expect(reservations.holds).toMatchObject([{ status: 'released' }]))
    expect(failures).toHaveLength(1)
  })

  it('is not looked for if the service was never reached, or has refused it', async () => {
    const throttler = await given({ onFailure: 'allow' }, (_, response) => problem(response, 400, 'policy-unknown'))
    const refused = await throttler.reserve('a', { tokens: 4 })
    expect(await refused.settle(2)).toEqual({ status: 'none', checks: [] })
    expect(service.calls).toHaveLength(1)
    await service.stop()
    const unreached = await throttler.reserve('a', { tokens: 4 })
    expect(await unreached.settle(2)).toEqual({ status: 'none', checks: [] })
    await service.start()
    expect(failures).toMatchObject([{ code: 'policy-unknown' }, { name: 'TypeError' }])
  })
})

describe('a reservation of which nobody knows whether it is held', () => {
  const UNKNOWN: [string, Answer][] = [
    ['the store has not answered in time', unavailable],
    ['the service has a bug', (_, response) => problem(response, 500, 'internal')],
    ['a proxy got no answer', (_, response) => void response.writeHead(504).end('Gateway Timeout')],
    ['a gateway got an invalid answer', (_, response) => void response.writeHead(502).end('{"message":"Bad Gateway"}')],
  ]

  it.each(UNKNOWN)('is found again when it is settled, if %s', async (_, answer) => {
    const throttler = await given({ onFailure: 'allow' }, failing(RESERVE, 1, answeringInstead(answer)))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(reservation.decision).toMatchObject({ allowed: true, source: 'client' })
    expect(await reservation.settle(3)).toMatchObject({ status: 'settled', checks: [{ charged: 3 }] })
    expect([reservations.holds.length, reservations.held, reservations.spent]).toEqual([1, 0, 3])
    expect(paths()).toEqual(['POST /reservations', 'POST /reservations', 'POST /reservations/0/0/settle'])
  })

  it.each(['deny', 'throw'] as const)('is released in the background with onFailure "%s"', async onFailure => {
    const throttler = await given({ onFailure }, failing(RESERVE, 1, answeringInstead(unavailable)))
    const reserved = await throttler.reserve('a', { tokens: 4 }).catch(err => err)
    expect(reserved).toMatchObject(onFailure === 'throw' ? { code: 'store-unavailable' } : { allowed: false })
    await eventually(() => expect(reservations.holds).toMatchObject([{ status: 'released' }]))
    expect(failures).toHaveLength(1)
  })

  it('is released once, although the caller releases a reservation that is denied', async () => {
    const throttler = await given({ onFailure: 'deny' }, failing(RESERVE, 1, answeringInstead(unavailable)))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(await reservation.release()).toEqual({ status: 'none', checks: [] })
    await eventually(() => expect(reservations.holds).toMatchObject([{ status: 'released' }]))
    expect(paths()).toEqual(['POST /reservations', 'POST /reservations', 'DELETE /reservations/0/0'])
  })

  it.each([
    ['the process stops', draining, { code: 'draining' }],
    ['a token has been revoked', (_, response) => problem(response, 401, 'unauthorized'), { code: 'unauthorized' }],
    ['the store is unavailable', unavailable, { code: 'store-unavailable' }],
  ] as [string, Answer, object][])(
    'stays unknown if the next try is refused because %s',
    async (_, answer, failure) => {
      const throttler = await given({ onFailure: 'allow' }, losingTheFirst(answer))
      const reservation = await throttler.reserve('a', { tokens: 4 })
      expect(reservation.decision).toMatchObject({ allowed: true, failure })
      expect(await reservation.settle(3)).toMatchObject({ status: 'settled', checks: [{ charged: 3 }] })
      expect([reservations.holds.length, reservations.held, reservations.spent]).toEqual([1, 0, 3])
    },
  )

  it.each(['allow', 'deny'] as const)('stays unknown if the next connection is refused (%s)', async onFailure => {
    const throttler = await given({ onFailure }, failing(RESERVE, 1, loseConnection))
    refuseSecondConnection()
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(reservation.decision).toMatchObject({ source: 'client', failure: { cause: { code: 'ECONNREFUSED' } } })
    await reservation.settle(3)
    await eventually(() => expect(reservations.held).toBe(0))
    expect([reservations.holds.length, reservations.spent]).toEqual([1, onFailure === 'allow' ? 3 : 0])
  })

  it('stays unknown if the next try is allowed without the store', async () => {
    const throttler = await given({}, losingTheFirst(allowLocally))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(reservation.decision).toMatchObject({ allowed: true, source: 'local' })
    expect(await reservation.settle(3)).toMatchObject({ status: 'settled' })
    expect([reservations.holds.length, reservations.held, reservations.spent]).toEqual([1, 0, 3])
  })

  it('stays unknown if one of several keys is decided without the store', async () => {
    const results = [decision('a', { source: 'policy' }), decision('b', { degraded: true, source: 'outage' })]
    const answer: Answer = (_, response) => {
      response.writeHead(201)
      return { id: null, ...results[0], results }
    }
    const throttler = await given({}, losingTheFirst(answer))
    const reservation = await throttler.reserveAll([{ key: 'a' }, { key: 'b' }])
    expect(reservation.allowed).toBe(true)
    expect(await reservation.settle(1)).toMatchObject({ status: 'settled' })
  })

  it.each([
    ['without the store', denyLocally],
    ['because the key has too many reservations by now', denyForTooMany],
  ])('is released in the background if the next try is denied %s', async (_, answer) => {
    const throttler = await given({ onFailure: 'allow' }, losingTheFirst(answer))
    expect(await throttler.reserve('a', { tokens: 4 })).toMatchObject({ allowed: false })
    await eventually(() => expect(reservations.holds).toMatchObject([{ status: 'released' }]))
  })

  it('is asked for until the store answers', async () => {
    const lost = (index: number) => (index === 0 ? loseConnection : index === 1 ? unavailable : allowLocally)
    const answer = failing(RESERVE, 4, (call, response, index) => lost(index)(call, response, index))
    const throttler = await given({ onFailure: 'allow' }, answer)
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(await reservation.settle(3)).toMatchObject({ status: 'pending', failure: { code: 'store-unavailable' } })
    await eventually(() => expect(reservations.spent).toBe(3))
    expect(reservations.holds).toHaveLength(1)
  })
})

describe('a reservation that is known not to be held', () => {
  it.each([
    ['the process stops', draining],
    ['the service is overloaded', (_, response) => problem(response, 503, 'overloaded')],
    ['the token is wrong', (_, response) => problem(response, 401, 'unauthorized')],
  ] as [string, Answer][])('is not asked for again if %s', async (_, answer) => {
    const throttler = await given({ onFailure: 'deny' }, answer)
    await throttler.reserve('a', { tokens: 4 })
    const lenient = new Throttler({ url: service.url, onFailure: 'allow', timeoutMs: TIMEOUT_MS })
    const reservation = await lenient.reserve('a', { tokens: 4 })
    expect(await reservation.settle(3)).toEqual({ status: 'none', checks: [] })
    expect(paths()).toEqual(['POST /reservations', 'POST /reservations'])
  })

  it('is not asked for again if the next try is denied by the store', async () => {
    const throttler = await given({}, failing(RESERVE, 1, disconnect))
    const reservation = await throttler.reserve('a', { tokens: 11 })
    expect(reservation).toMatchObject({ allowed: false, decision: { code: 'quota-exceeded' } })
    expect(await reservation.release()).toEqual({ status: 'none', checks: [] })
    expect(paths()).toEqual(['POST /reservations', 'POST /reservations'])
  })
})

describe('settling', () => {
  it.each([
    ['the store is unavailable', unavailable, { code: 'store-unavailable' }],
    ['the connection breaks', disconnect, { name: 'TypeError' }],
    ['its answer is lost', loseConnection, { name: 'TypeError' }],
    ['another service answers', () => ({ hello: 'world' }), { message: expect.stringContaining('malformed') }],
  ] as [string, Answer, object][])('is repeated in the background while %s', async (_, answer, failure) => {
    const throttler = await given({}, failing(SETTLE, 2, answer))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(await reservation.settle(3)).toMatchObject({ status: 'pending', failure })
    await eventually(() => expect(service.calls).toHaveLength(4))
    await eventually(() => expect(reservations.spent).toBe(3))
    expect(failures).toMatchObject([failure, failure])
  })

  it('returns within the timeout while the service hangs', async () => {
    const throttler = await given({}, failing(SETTLE, 1, hang))
    holdTimers()
    const reservation = await throttler.reserve('a', { tokens: 4 })
    const [settlement] = await Promise.all([reservation.settle(3), timeOut(1)])
    expect(settlement).toMatchObject({ status: 'pending', failure: { name: 'TimeoutError' } })
    await eventually(() => expect(reservations.spent).toBe(3))
  })

  it.each([
    ['is refused', 3, (_, response) => problem(response, 404, 'reservation-not-found'), { status: 404 }],
    ['cannot be written as JSON', 1n, unavailable, { name: 'TypeError' }],
  ] as [string, unknown, Answer, object][])('is not repeated if it %s', async (_, tokens, answer, failure) => {
    const throttler = await given({}, failing(SETTLE, 1, answer))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    // Nobody awaits it, and its rejection does not count as unhandled.
    const settled = reservation.settle(tokens as number)
    await sleep(20)
    await expect(settled).rejects.toMatchObject(failure)
    await reservation[Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]()
    expect(failures).toMatchObject([failure])
  })

  it.each([
    ['refused', 10.5, 1],
    ['not sent, since its amount cannot be written as JSON', 1n, 0],
  ] as [string, unknown, number][])(
    'that was %s changes nothing, so the next call is sent',
    async (_, tokens, sent) => {
      const throttler = await given({ onFailure: 'allow' }, failing(SETTLE, sent, invalid))
      const reservation = await throttler.reserve('a', { tokens: 4 })
      expect(await reservation.settle(tokens as number)).toMatchObject({ status: 'failed' })
      expect(await reservation.settle(3)).toMatchObject({ status: 'settled', checks: [{ charged: 3 }] })
      expect(await reservation.release()).toMatchObject({ status: 'settled' })
      expect([reservations.held, reservations.spent, failures.length]).toEqual([0, 3, 1])
    },
  )

  it('that was refused is followed by a release', async () => {
    const throttler = await given({ onFailure: 'allow' }, failing(SETTLE, 1, invalid))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    const refused = reservation.settle(10.5)
    // While the answer is missing, nobody knows that a release is needed.
    expect(await reservation.release()).toMatchObject({ status: 'released' })
    expect(await refused).toMatchObject({ status: 'failed', failure: { code: 'validation-failed' } })
    expect(reservations.holds).toMatchObject([{ status: 'released' }])
  })

  it('is sent once by two calls that wait for one that is refused', async () => {
    const throttler = await given({ onFailure: 'allow' }, failing(SETTLE, 1, invalid))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    const settlements = await Promise.all([10.5, 3, 3].map(tokens => reservation.settle(tokens)))
    expect(settlements.map(({ status }) => status)).toEqual(['failed', 'settled', 'settled'])
    expect(paths().filter(path => SETTLE.test(path))).toHaveLength(2)
  })

  it('decides although it is refused, if an earlier call of it may have been executed', async () => {
    const answers = [loseConnection, invalid]
    const lost: Answer = (call, response, index) => answers.shift()?.(call, response, index)
    const throttler = await given({ onFailure: 'allow' }, failing(SETTLE, 2, lost))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(await reservation.settle(3)).toMatchObject({ status: 'pending' })
    await eventually(() => expect(failures).toMatchObject([{ name: 'TypeError' }, { code: 'validation-failed' }]))
    expect(await reservation.settle(2)).toMatchObject({ failure: { name: 'ReservationEndedError' } })
    expect([reservations.spent, service.calls.length]).toEqual([3, 3])
  })

  it('that was never executed does not decide once it is refused', async () => {
    const answers = [draining, invalid]
    const refused: Answer = (call, response, index) => answers.shift()?.(call, response, index)
    const throttler = await given({ onFailure: 'allow' }, failing(SETTLE, 2, refused))
    const reservation = await throttler.reserve('a', { tokens: 4 })
    expect(await reservation.settle(10.5)).toMatchObject({ status: 'pending' })
    await eventually(() => expect(failures).toMatchObject([{ code: 'draining' }, { code: 'validation-failed' }]))
    expect(await reservation.settle(3)).toMatchObject({ status: 'settled', checks: [{ charged: 3 }] })
  })

  it('stops asking when the reservation has expired, if it is a release', async () => {
    const throttler = await given({}, failing(/DELETE/, Number.POSITIVE_INFINITY, unavailable))
    const reservation = await throttler.reserve('a', { tokens: 4, ttlMs: 300 })
    expect(await reservation.release()).toMatchObject({ status: 'pending' })
    await untilQuiet()
    expect(service.calls.length).toBeLessThanOrEqual(4)
  })
})

describe('a reservation that is extended', () => {
  const extensions = () => paths().filter(path => path.endsWith('/extend'))

  it('is extended until it is settled', async () => {
    const throttler = await given()
    const reservation = await throttler.reserve('a', { tokens: 4, ttlMs: 60, extend: true })
    await eventually(() => expect(extensions().length).toBeGreaterThanOrEqual(3))
    expect(service.calls.find(({ path }) => path.endsWith('/extend'))?.body).toEqual({ ttlMs: 60 })
    await reservation.settle(1)
    await untilQuiet()
    expect(failures).toEqual([])
  })

  it('is extended again soon after an extension has failed', async () => {
    const throttler = await given({}, failing(/extend$/, 2, unavailable))
    holdTimers()
    await using _ = await throttler.reserve('a', { tokens: 4, ttlMs: 60_000, extend: true })
    for (const [failed, pauseMs] of [20_000, 1_000, 1_000].entries()) {
      await eventually(() => expect(failures).toHaveLength(failed))
      jest.advanceTimersByTime(pauseMs)
      await eventually(() => expect(extensions()).toHaveLength(failed + 1))
    }
    expect(failures).toMatchObject([{ code: 'store-unavailable' }, { code: 'store-unavailable' }])
  })

  it('is no longer extended once the service says that it has ended', async () => {
    const ended: Answer = (_, response) => problem(response, 409, 'reservation-ended', { ended: 'expired' })
    const throttler = await given({}, failing(/extend$/, Number.POSITIVE_INFINITY, ended))
    await throttler.reserve('a', { tokens: 4, ttlMs: 30, extend: true })
    await eventually(() => expect(failures).toMatchObject([{ code: 'reservation-ended' }]))
    await sleep(100)
    expect(extensions()).toHaveLength(1)
  })

  it('is no longer extended once it must have expired', async () => {
    const throttler = await given({}, failing(/extend$/, Number.POSITIVE_INFINITY, unavailable))
    await throttler.reserve('a', { tokens: 4, ttlMs: 90, extend: true })
    await untilQuiet()
    expect(extensions().length).toBeLessThanOrEqual(4)
  })

  it('is not extended unless that is asked for', async () => {
    const throttler = await given()
    await throttler.reserve('a', { tokens: 4, ttlMs: 30 })
    await sleep(100)
    expect(extensions()).toEqual([])
  })
})

describe('checks that are decided together', () => {
  const checks = [{ key: 'user:42', tokens: 2, policy: 'plan:gold' }, { key: 'team:7' }]

  it('are one call, with the decision that binds and that of each check', async () => {
    const results = [decision('user:42'), decision('team:7', { remaining: 3 })]
    const throttler = await given({}, () => ({ ...results[1], results }))
    expect(await throttler.checkAll(checks)).toEqual({ ...results[1], results })
    expect(service.calls).toMatchObject([{ method: 'POST', path: '/check/all', body: { checks } }])
  })

  it('are denied together', async () => {
    const denied = decision('team:7', { allowed: false, retryAfterMs: 50, 'violated-policies': ['default'] })
    const throttler = await given({}, (_, response) =>
      problem(response, 429, 'quota-exceeded', { ...denied, results: [decision('user:42'), denied] }),
    )
    expect(await throttler.checkAll(checks)).toEqual({
      ...denied,
      code: 'quota-exceeded',
      results: [decision('user:42'), { ...denied, code: 'quota-exceeded' }],
    })
  })

  it.each([
    ['has no results', decision('a')],
    ['has too few results', { ...decision('a'), results: [decision('a')] }],
    ['has a result that is no decision', { ...decision('a'), results: [decision('a'), { hello: 'world' }] }],
  ])('fail if the answer %s', async (_, answer) => {
    const throttler = await given({ onFailure: 'deny' }, () => answer)
    const fallback = { allowed: false, source: 'client', failure: { message: expect.stringContaining('malformed') } }
    expect(await throttler.checkAll(checks)).toMatchObject({
      ...fallback,
      key: 'user:42',
      results: [fallback, { ...fallback, key: 'team:7' }],
    })
    expect(failures).toHaveLength(1)
  })

  it('fail together, as onFailure says', async () => {
    const throttler = await given({ onFailure: 'allow', timeoutMs: 50 }, hang)
    const failure = { message: 'no answer within 50 ms' }
    expect(await throttler.checkAll(checks)).toMatchObject({ allowed: true, results: [{ allowed: true }, { failure }] })
    const strict = new Throttler({ url: service.url, onFailure: 'throw', timeoutMs: 50 })
    await expect(strict.checkAll(checks)).rejects.toMatchObject(failure)
  })

  it.each([undefined, null, [], [null]])('never throw for %j', async checks => {
    const throttler = await given({ onFailure: 'allow' }, (_, response) => problem(response, 400, 'validation-failed'))
    expect(await throttler.checkAll(checks as never)).toMatchObject({ allowed: true, source: 'client' })
    expect(await throttler.reserveAll(checks as never)).toMatchObject({ allowed: true })
    expect(await throttler.reserve(checks as never, checks as never)).toMatchObject({ allowed: true })
  })
})
