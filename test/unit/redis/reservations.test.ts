import { expect, it } from '@jest/globals'
import { reservationId } from '../../../src/domain/reservation-id.ts'
import type { AskedReservation } from '../../../src/redis/buckets/reservation-call.ts'
import { Reservations } from '../../../src/redis/buckets/reservations.ts'

const IDS = Array.from({ length: 10 }, (_, i) => reservationId('k', `${i}`.padStart(22, '0')))

/** Extends reservations of this many keys each. Resolves with the results, and with the ids in each call of the store. */
async function extend(keyCount: number) {
  const named = Array.from({ length: keyCount }, (_, i) => ({ key: `k${i}`, tokens: 1, policy: undefined }))
  const asked: string[][] = []
  let running = 0
  const reservations = new Reservations({
    ask: async (calls: readonly AskedReservation[]) => {
      expect(++running).toBe(1)
      asked.push(calls.map(({ id }) => id))
      await Promise.resolve()
      running--
      return calls.map(({ id }) => ({ state: 'held', expiresAtMs: IDS.indexOf(id), isRepeated: false, keys: [] }))
    },
    readRecords: async ids => ids.map(() => ({ fingerprint: '', named })),
  })
  return { results: await reservations.extend(IDS.map(id => ({ id }))), asked }
}

it.each([
  [1, [10]],
  [7, [9, 1]],
  [16, [4, 4, 2]],
  [64, Array(10).fill(1)],
])('calls on reservations of %d keys go to the store one part after another', async (keyCount, parts) => {
  const { results, asked } = await extend(keyCount)
  expect(asked.map(({ length }) => length)).toEqual(parts)
  expect(asked.flat()).toEqual(IDS)
  expect(results).toEqual(IDS.map((_, i) => ({ status: 'extended', expiresAtMs: i })))
})
