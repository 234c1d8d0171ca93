/** The record of a reservation; `lua/records.lua` describes how it is stored. */
import type { HoldRequest } from '../../check/ports.ts'
import type { NamedKey } from '../../domain/reservation.ts'

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

/** `undefined` if it is not the record of a reservation. */
export function readRecord(stored: Buffer | null): RecordedRequest | undefined {
  if (stored === null || stored.length < HEAD_BYTES) return undefined
  const count = stored.readUInt8(2)
  const textAt = HEAD_BYTES + count * KEY_BYTES
  if (stored.length < textAt) return undefined
  const [fingerprint = '', ...lines] = stored.toString('utf8', textAt).split('\n')
  const named = Array.from({ length: count }, (_, i) => {
    const tokens = stored.readUInt32BE(HEAD_BYTES + i * KEY_BYTES + 1)
    return namedKey(lines[2 * i] ?? '', tokens, lines[2 * i + 1] ?? '')
  })
  return { fingerprint, named }
}

function namedKey(key: string, tokens: number, policy: string): NamedKey {
  return policy === '' ? { key, tokens } : { key, tokens, policy }
}
