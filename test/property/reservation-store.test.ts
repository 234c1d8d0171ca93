import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { KeyStore } from '../../src/check/ports.ts'
import { forgottenAt } from '../../src/domain/bucket-state.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { type ClockedRedis, EXPIRY_SLACK_MS } from '../support/clocked-redis.ts'
import { reservationCounterexamples } from '../support/counterexamples.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { frontClock, givenClockedRedis } from '../support/given-clocked-redis.ts'
import { SpecifiedStore } from '../support/in-memory/specified-store.ts'
import { outcomeOf } from '../support/outcome-of.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'
import {
  type Call,
  HISTORY_KEYS,
  playReservations,
  type ReservationHistory,
  reservationHistory,
} from '../support/reservation-histories.ts'

describeWithRedis('the store of reservations', () => {
  const given = givenClockedRedis(0)

  it(
    'does what the specification does, and keeps a bucket as long',
    async () => {
      await fc.assert(
        fc.asyncProperty(reservationHistory, told => doesAsSpecified(given.redis, told)),
        { ...runs(150, 10_000), examples: reservationCounterexamples },
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})

let namespaces = 0

async function doesAsSpecified(redis: ClockedRedis, told: ReservationHistory): Promise<void> {
  const keys = new BucketKeys(`namespace-${namespaces++}`)
  const [store, specified] = [new RedisBucketStore(redis, keys), new SpecifiedStore()]
  for (const { call } of playReservations(told)) {
    frontClock.nowMs = specified.nowMs = call.nowMs
    await redis.setClock(call.nowMs)
    expect(await resultOf(store, call)).toEqual(await resultOf(specified, call))
    for (const key of HISTORY_KEYS) {
      const bucket = specified.stored(key)
      // The test's server forgets a full bucket only when it is asked for it.
      if (bucket === undefined || call.what === 'reset') continue
      const expiry = await redis.expiryOf(keys.bucket(key))
      // One that was full again at the very moment of a check may have been deleted at once.
      if (expiry === undefined && forgottenAt(bucket) <= call.nowMs) continue
      expect(Number(expiry)).toBeCloseTo(forgottenAt(bucket) + Number(EXPIRY_SLACK_MS), -2)
    }
  }
}

/** All that a call returns, where that is more than its outcome. */
async function resultOf(store: KeyStore, call: Call): Promise<unknown> {
  switch (call.what) {
    case 'check':
      return store.check([call.check])
    case 'group':
      return store.checkAll([call.group])
    case 'settle':
      return store.settle([call.settlement])
    default:
      return outcomeOf(store, call)
  }
}
