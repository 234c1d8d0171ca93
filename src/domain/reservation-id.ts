import { BUCKET_PARTITIONS, bucketPartition } from './partition.ts'

declare const kind: unique symbol

/** The id of a reservation. It contains the bucket partition of the first key, where the reservation's record is. */
export type ReservationId = string & { readonly [kind]: 'reservation' }

/** 16 bytes in base64url. */
const TOKEN = '[A-Za-z0-9_-]{22}'
const RESERVATION_ID = new RegExp(`^(0|[1-9][0-9]?)-${TOKEN}$`)

/** @param token 16 bytes in base64url: random, or derived from an idempotency key */
export function reservationId(firstKey: string, token: string): ReservationId {
  return `${bucketPartition(firstKey)}-${token}` as ReservationId
}

/** `undefined` if the text is not the id of a reservation. */
export function parseReservationId(text: string): ReservationId | undefined {
  const partition = RESERVATION_ID.exec(text)?.[1]
  return Number(partition) < BUCKET_PARTITIONS ? (text as ReservationId) : undefined
}

/** The bucket partition of the reservation's record. */
export function recordPartition(id: ReservationId): number {
  return Number.parseInt(id, 10)
}
