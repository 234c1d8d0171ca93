import { beforeEach, describe, expect, it } from '@jest/globals'
import { DenialCache } from '../../../src/check/denial-cache.ts'
import { GroupChecker } from '../../../src/check/group-checker.ts'
import { LocalBuckets } from '../../../src/check/local-buckets.ts'
import { PolicyLookup } from '../../../src/check/policy-lookup.ts'
import type { ReservationRequest } from '../../../src/check/requested-hold.ts'
import { Reservations, type Reserved, type Settled } from '../../../src/check/reservations.ts'
import type { PolicyDefinition } from '../../../src/domain/policy.ts'
import { PolicyTable } from '../../../src/domain/policy-table.ts'
import { KEPT_AFTER_END_MS, type Reservation } from '../../../src/domain/reservation.ts'
import { parseReservationId, reservationId } from '../../../src/domain/reservation-id.ts'
import { answerTo } from '../../support/answer-to.ts'
import { InMemoryReservationQueue } from '../../support/in-memory/reservation-queue.ts'
import { definitionOf, limitOf, policyOf } from '../../support/policies.ts'

const TTL_MS = 60_000
const LIMITS = [limitOf({ refillIntervalMs: 1_000_000_000 })]

let queue: InMemoryReservationQueue
let table: PolicyTable
let denials: DenialCache
let counted: string[]
let checked: string[]
let reservations: Reservations
beforeEach(() => {
  queue = new InMemoryReservationQueue()
  table = new PolicyTable(policyOf('default', { limits: LIMITS }, 0))
  denials = new DenialCache(() => 0)
  counted = []
  checked = []
  const shared = {
    policies: new PolicyLookup(table, async () => undefined),
    prepare: () => undefined,
    denialCache: denials,
    queue,
  }
  const groups = new GroupChecker({
    ...shared,
    canGoTogether: () => true,
    localBuckets: new LocalBuckets({
      now: () => 0,
      outageOf: () => ({ elapsedMs: 0, isRunning: false, refillPausedMs: 0 }),
      calendarNow: Date.now,
      processes: () => 1,
    }),
    observer: {
      decided: ({ key, allowed }) => void checked.push(`${key} ${allowed ? 'allowed' : 'denied'}`),
      undecided: ({ key }) => void checked.push(`${key} error`),
    },
    onStoreFailure: 'local',
    maxWaiting: 1_000,
  })
  reservations = new Reservations({
    ...shared,
    groups,
    observer: {
      reserved: ({ key }, outcome) => void counted.push(`${key} ${outcome}`),
      expired: () => undefined,
      ended: ({ key, reserved, tokens, charged }, status) =>
        void counted.push(`${key} ${status}: ${reserved} reserved, ${tokens} settled, ${charged} charged`),
    },
  })
})

const given = (key: string, overrides: Partial<PolicyDefinition>) =>
  table.set(key, 1, definitionOf({ limits: LIMITS, ...overrides }))
const reserve = (tokens: Readonly<Record<string, number>>, overrides: Partial<ReservationRequest> = {}) =>
  answerTo<Reserved>(onReserved =>
    reservations.reserve(
      {
        checks: Object.entries(tokens).map(([key, tokens]) => ({ key, tokens })),
        ttlMs: TTL_MS,
        onExpiry: 'charge',
        callerToken: 'token of ann',
        idempotencyKey: undefined,
        ...overrides,
      },
      onReserved,
    ),
  )
const settle = (id: string, amounts: number | ReadonlyMap<string, number>) =>
  answerTo<Settled>(onSettled => reservations.settle(id, amounts, onSettled))
const release = (id: string) => answerTo<void>(onReleased => reservations.release(id, onReleased))
const extend = (id: string, ttlMs?: number) =>
  answerTo<number>(onExtended => reservations.extend(id, ttlMs, onExtended))
const read = (id: string) => answerTo<Reservation>(onReservation => reservations.read(id, onReservation))
const idOf = async (tokens: Readonly<Record<string, number>>) => (await reserve(tokens)).held?.id ?? ''
const problemOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    ({ code, members }) => ({ code, ...members }),
  )

describe('a reservation', () => {
  it('holds tokens until it is settled', async () => {
    const { decision, held } = await reserve({ a: 4, b: 2 })
    expect(decision.results.map(({ remaining }) => remaining)).toEqual([6, 8])
    expect(held).toEqual({ id: expect.any(String), expiresAtMs: queue.store.nowMs + TTL_MS })
    const settled = await settle(held?.id ?? '', new Map(Object.entries({ a: 1, b: 3 })))
    expect(settled.decision.results.map(({ remaining }) => remaining)).toEqual([9, 7])
    expect(settled.decision.binding.key).toBe('b')
  })

  it('is counted once for each key', async () => {
    const id = await idOf({ a: 4, b: 2 })
    for (let i = 0; i < 2; i++) await settle(id, 3)
    for (let i = 0; i < 2; i++) await release(await idOf({ c: 1 }))
    await problemOf(settle(id, 4))
    expect(counted).toEqual([
      'a held',
      'b held',
      'a settled: 4 reserved, 3 settled, 3 charged',
      'b settled: 2 reserved, 3 settled, 3 charged',
      'c held',
      'c released: 1 reserved, 0 settled, 0 charged',
      'c held',
      'c released: 1 reserved, 0 settled, 0 charged',
    ])
    expect(checked).toEqual(['a allowed', 'b allowed', 'c allowed', 'c allowed'])
  })

  it('that is denied is counted for the keys that deny', async () => {
    await idOf({ a: 10 })
    expect((await reserve({ a: 1, b: 1 })).held).toBeUndefined()
    expect(counted).toEqual(['a held', 'a denied'])
    expect(checked).toEqual(['a allowed', 'a denied'])
  })

  it('is not counted for keys that hold nothing', async () => {
    given('open', { mode: 'off' })
    given('watched', { mode: 'shadow' })
    await idOf({ watched: 10 })
    const id = await idOf({ open: 1, watched: 1, a: 1 })
    await settle(id, 2)
    expect(counted).toEqual(['watched held', 'a held', 'a settled: 1 reserved, 2 settled, 2 charged'])
    expect((await reserve({ open: 1 })).held).toBeUndefined()
  })

  it('beyond the thousandth of a key names that key, and counts as denied', async () => {
    given('open', { mode: 'off' })
    await Promise.all(Array.from({ length: 1_000 }, () => reserve({ a: 0 })))
    counted = []
    checked = []
    expect(await problemOf(reserve({ open: 1, b: 1, a: 0 }))).toEqual({
      code: 'too-many-reservations',
      key: 'a',
      retryAfterMs: TTL_MS,
    })
    expect([counted, checked]).toEqual([['a denied'], []])
    given('a', { mode: 'shadow' })
    expect((await reserve({ a: 0 })).held).toBeUndefined()
  })
})

describe('an idempotency key', () => {
  it('finds the reservation again, which is counted once as held', async () => {
    const [first, again] = [
      await reserve({ a: 10 }, { idempotencyKey: 'k' }),
      await reserve({ a: 10 }, { idempotencyKey: 'k' }),
    ]
    expect(again.held?.id).toBe(first.held?.id)
    expect([again.decision.allowed, again.decision.binding.remaining]).toEqual([true, 0])
    expect(counted).toEqual(['a held'])
  })

  it('belongs to the token of its caller, and to the first key', async () => {
    const ids = [
      await reserve({ a: 1, b: 1 }, { idempotencyKey: 'k' }),
      await reserve({ b: 1, a: 1 }, { idempotencyKey: 'k' }),
      await reserve({ a: 1, b: 1 }, { idempotencyKey: 'k', callerToken: 'token of bob' }),
      await reserve({ a: 1, b: 1 }, { idempotencyKey: 'l' }),
    ].map(({ held }) => held?.id)
    expect(new Set(ids).size).toBe(4)
    for (const id of ids) expect(parseReservationId(id ?? '')).toBe(id)
  })

  it('with another body is refused, and counts as no decision', async () => {
    await reserve({ a: 1 }, { idempotencyKey: 'k' })
    checked = []
    expect(await problemOf(reserve({ a: 2 }, { idempotencyKey: 'k' }))).toEqual({ code: 'idempotency-key-reused' })
    expect(checked).toEqual([])
  })
})

describe('a process that ends a reservation', () => {
  it('forgets what it remembers of the keys', async () => {
    const check = { key: 'a', policy: policyOf('a', { limits: LIMITS }), tokens: 1 }
    const id = await idOf({ a: 10 })
    denials.remember(check, { allowed: false, spent: [0], refillPausedMs: 0 }, 1_000, 0)
    await settle(id, 1)
    expect(denials.recall(check)).toBeUndefined()
  })

  it('decides by the policy that was named, or else by the one in force', async () => {
    table.set('plan:gold', 1, definitionOf({ limits: [limitOf({ capacity: 100, refillIntervalMs: 1_000_000_000 })] }))
    const checks = [{ key: 'a', tokens: 5, policy: 'plan:gold' }]
    const { held } = await reserve({}, { checks })
    const settleAll = async () => (await settle(held?.id ?? '', 5)).decision.binding
    expect(await settleAll()).toMatchObject({ remaining: 95, policy: { configKey: 'plan:gold' } })
    table.delete('plan:gold')
    expect(await settleAll()).toMatchObject({ remaining: 5, policy: { configKey: 'default' } })
  })

  it('answers by the mode of a policy that counts nothing by now', async () => {
    const id = await idOf({ a: 4 })
    given('a', { mode: 'off', limits: [] })
    expect((await settle(id, 4)).decision.binding).toMatchObject({ allowed: true, source: 'policy' })
  })
})

describe('a reservation that the store no longer has', () => {
  it('is unknown ten minutes after its end, and at once if it was lost', async () => {
    const id = await idOf({ a: 4 })
    await settle(id, 1)
    queue.store.nowMs += KEPT_AFTER_END_MS - 1
    expect((await read(id)).status).toBe('settled')
    queue.store.nowMs++
    const lost = reservationOf('a')
    for (const unknown of [id, lost, 'broken']) {
      const calls = [settle(unknown, 1), release(unknown), extend(unknown), read(unknown)]
      for (const call of calls) expect(await problemOf(call)).toEqual({ code: 'reservation-not-found' })
    }
  })
})

describe('while the store is unavailable', () => {
  it('a reservation is decided by the policy, and holds nothing', async () => {
    given('strict', { onStoreFailure: 'deny' })
    given('lax', { onStoreFailure: 'allow' })
    queue.isAvailable = false
    const { decision, held } = await reserve({ a: 4, lax: 1 })
    expect([held, decision.allowed, decision.results.map(({ source }) => source)]).toEqual([
      undefined,
      true,
      ['local', 'outage'],
    ])
    expect((await reserve({ a: 7 })).decision.allowed).toBe(false)
    expect(await problemOf(reserve({ a: 1, strict: 1 }))).toEqual({ code: 'store-unavailable' })
    expect(counted).toEqual(['a denied'])
  })

  it('does not count concurrent reservations', async () => {
    given('slots', { limits: [{ name: 'slots', kind: 'concurrency', capacity: 1 }] })
    queue.isAvailable = false
    for (let i = 0; i < 3; i++) expect((await reserve({ slots: 1 })).decision.allowed).toBe(true)
  })

  it('no reservation can be ended, extended or read', async () => {
    const id = await idOf({ a: 4 })
    queue.isAvailable = false
    const calls = [settle(id, 1), release(id), extend(id, TTL_MS), read(id)]
    for (const call of calls) expect(await problemOf(call)).toEqual({ code: 'store-unavailable' })
    queue.isAvailable = true
    expect((await read(id)).status).toBe('held')
  })
})

/** The id of a reservation that was never made. */
function reservationOf(key: string): string {
  return reservationId(key, 'a'.repeat(22))
}
