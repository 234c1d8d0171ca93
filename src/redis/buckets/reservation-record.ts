/** The record of a reservation; `lua/records.lua` describes how it is stored. */
import type { HoldRequest } from '../../check/ports.ts'
import { keyFault } from '../../domain/key.ts'
import { bucketPartition } from '../../domain/partition.ts'
import type { NamedKey } from '../../domain/reservation.ts'
import { type ReservationId, recordPartition } from '../../domain/reservation-id.ts'
import { isDateMs } from '../../lib/dates.ts'

/** The parts of a record that do not change, by which its reservation is called. */
export interface RecordedRequest {
  readonly fingerprint: string
  readonly named: readonly NamedKey[]
}

const HEAD_BYTES = 15
const KEY_BYTES = 13

/** The text of a record, in lines. No key and no name of a policy contains a line end. */
export function recordText({ fingerprint, named }: Pick<HoldRequest, 'fingerprint' | 'named'>): string {
  let text = fingerprint
  for (const { key, policy = '' } of named) text += `\n${key}\n${policy}`
  return text
}

/** `undefined` if it is damaged. */
export function readRecord(stored: Buffer, id: ReservationId): RecordedRequest | undefined {
  if (stored.length < HEAD_BYTES) return undefined
  const count = stored.readUInt8(2)
  const textAt = HEAD_BYTES + count * KEY_BYTES
  const [fingerprint = '', ...lines] = stored.toString('utf8', textAt).split('\n')
  if (!isSoundHead(stored) || count === 0 || stored.length < textAt || lines.length !== 2 * count) return undefined
  const named = Array.from({ length: count }, (_, i) => {
    const tokens = stored.readUInt32BE(HEAD_BYTES + i * KEY_BYTES + 1)
    return namedKey(lines[2 * i] ?? '', tokens, lines[2 * i + 1] ?? '')
  })
  return areKeysOf(id, named) ? { fingerprint, named } : undefined
}

function isSoundHead(stored: Buffer): boolean {
  return stored.readUInt8(0) <= 2 && stored.readUInt8(1) <= 1 && isDateMs(stored.readDoubleBE(7))
}

/** Whether these can be the keys of the reservation. Its id names the place of the first one. */
function areKeysOf(id: ReservationId, named: readonly NamedKey[]): boolean {
  const keys = named.map(({ key }) => key)
  const areValid = keys.every(key => keyFault(key) === undefined) && new Set(keys).size === keys.length
  return areValid && bucketPartition(keys[0] ?? '') === recordPartition(id)
}

function namedKey(key: string, tokens: number, policy: string): NamedKey {
  return policy === '' ? { key, tokens } : { key, tokens, policy }
}
