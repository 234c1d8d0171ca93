import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { forgottenAt } from '../../src/domain/bucket-state.ts'
import { reservationCounterexamples } from '../support/counterexamples.ts'
import { expectKept } from '../support/expect-kept.ts'
import { SpecifiedStore } from '../support/in-memory/specified-store.ts'
import { outcomeOf } from '../support/outcome-of.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'
import {
  type ExpectedCall,
  playReservations,
  type ReservationHistory,
  reservationHistory,
  steadyHistory,
} from '../support/reservation-histories.ts'

describe('the specification of reservations', () => {
  it(
    'answers what the oracle expects, for any history of reservations, checks, resets, policies and clocks',
    async () => {
      await fc.assert(fc.asyncProperty(reservationHistory, answersAsPromised), {
        ...runs(300, 30_000),
        examples: reservationCounterexamples,
      })
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'answers the same, whether or not somebody looked in between',
    async () => {
      const looks = fc.array(fc.record({ before: fc.nat(40), share: fc.double({ min: 0, max: 1, noNaN: true }) }), {
        minLength: 5,
        maxLength: 30,
        size: 'max',
      })
      await fc.assert(fc.asyncProperty(steadyHistory, looks, answersTheSame), runs(200, 20_000))
    },
    PROPERTY_TIMEOUT_MS,
  )
})

async function answersAsPromised(told: ReservationHistory): Promise<void> {
  const store = new SpecifiedStore()
  for (const { call, expected, forgottenAtMs } of playReservations(told)) {
    store.nowMs = call.nowMs
    expect(await outcomeOf(store, call)).toEqual(expected)
    for (const [key, forgotten] of forgottenAtMs) {
      const bucket = store.stored(key)
      expectKept(told, bucket && forgottenAt(bucket), forgotten, call.nowMs)
    }
  }
}

interface Look {
  /** The number of the call that it comes before. */
  readonly before: number
  /** How much of the time since the call before that has passed. */
  readonly share: number
}

async function answersTheSame(told: ReservationHistory, looks: readonly Look[]): Promise<void> {
  const store = new SpecifiedStore()
  const played = playReservations(told)
  for (const [i, { call, expected }] of played.entries()) {
    for (const { share } of looks.filter(({ before }) => before === i).toSorted((a, b) => a.share - b.share)) {
      await look(store, played, i, share)
    }
    store.nowMs = call.nowMs
    expect(await outcomeOf(store, call)).toEqual(expected)
  }
}

/** Reads every bucket and reservation. */
async function look(store: SpecifiedStore, played: readonly ExpectedCall[], i: number, share: number): Promise<void> {
  const [from, to] = [played[i - 1]?.call.nowMs ?? told(played, i), told(played, i)]
  store.nowMs = from + Math.floor((to - from) * share)
  for (const { call } of played.slice(0, i)) {
    if (call.what === 'check') await store.check([{ ...call.check, tokens: 0 }])
    if (call.what === 'group')
      await store.check(call.group.checks.map(({ key, policy }) => ({ key, policy, tokens: 0 })))
    if (call.what === 'settle') await store.read([call.settlement.id])
  }
}

function told(played: readonly ExpectedCall[], i: number): number {
  return played[i]?.call.nowMs ?? 0
}
