import { describe, expect, it } from '@jest/globals'
import { bucketPartition } from '../../../src/domain/partition.ts'
import { parseReservationId, recordPartition, reservationId } from '../../../src/domain/reservation-id.ts'

const TOKEN = 'AAAAAAAAAAAAAAAAAAAAA_'

describe('the id of a reservation', () => {
  it.each(['user:42', '{acme}:search', 'é'])('contains the partition of the first key, such as %s', key => {
    const id = parseReservationId(reservationId(key, TOKEN))
    expect(id === undefined ? undefined : recordPartition(id)).toBe(bucketPartition(key))
  })

  it.each(['', TOKEN, `-${TOKEN}`, `64-${TOKEN}`, `07-${TOKEN}`, `7-${TOKEN}x`, `7-${TOKEN.slice(1)}`, `7-${TOKEN} `])(
    'is not the text "%s"',
    text => {
      expect(parseReservationId(text)).toBeUndefined()
    },
  )
})
