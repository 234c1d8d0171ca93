import { randomBytes } from 'node:crypto'
import type { Policy } from '../../src/domain/policy.ts'
import { type ReservationId, reservationId } from '../../src/domain/reservation-id.ts'
import type { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'

const CALL_SIZE = 64
/** The longest that a reservation can have. */
const TTL_MS = 86_400_000
/** As many bytes as that of a request with an idempotency key. */
const FINGERPRINT = 'f'.repeat(22)

interface Wanted {
  readonly store: RedisBucketStore
  readonly policy: Policy
  readonly keys: readonly string[]
  readonly holdsPerKey: number
}

/** Makes reservations of a token, as many of each key. Returns their ids. */
export async function holdMany({ store, policy, keys, holdsPerKey }: Wanted): Promise<readonly ReservationId[]> {
  const wanted = keys.flatMap(key => Array.from({ length: holdsPerKey }, () => key))
  const made: ReservationId[] = []
  for (let from = 0; from < wanted.length; from += CALL_SIZE) {
    const groups = wanted.slice(from, from + CALL_SIZE).map(key => groupOf(key, policy))
    const readings = await store.checkAll(groups)
    if (readings.some(reading => reading?.reservation === undefined)) throw new Error('a reservation was denied')
    made.push(...groups.map(({ hold }) => hold.id))
  }
  return made
}

function groupOf(key: string, policy: Policy) {
  const id = reservationId(key, randomBytes(16).toString('base64url'))
  const named = [{ key, tokens: 1 }]
  return {
    checks: [{ key, policy, tokens: 1, reserves: true }],
    shadowed: [false],
    hold: { id, ttlMs: TTL_MS, onExpiry: 'charge', fingerprint: FINGERPRINT, named },
  } as const
}
