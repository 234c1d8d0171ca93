/** Decodes the reply of `lua/reservations.lua`. */
import type { Policy } from '../../domain/policy.ts'
import type { BucketReading } from '../../domain/reading.ts'
import { ReplyReader, type ReplyReport } from './check-reply.ts'
import type { AskedReservation } from './reservation-call.ts'

const STATES = [
  'held',
  'settled',
  'released',
  'expired',
  'lost',
  'not-found',
  'ended-settled',
  'ended-released',
  'elsewhere',
  'unknown-period',
  'unfinished',
] as const

/** The state `settled`, of a reservation of one key; only what a check finds of it follows. */
const SETTLED_IN_FULL = 11

export interface ReservationReply {
  /** The state of the reservation after the call. The last three of the states say why it was not decided. */
  readonly state: (typeof STATES)[number]
  readonly expiresAtMs: number
  /** It was settled or released before, in the same way. */
  readonly isRepeated: boolean
  readonly keys: readonly RepliedKey[]
}

interface RepliedKey {
  readonly settled: number
  readonly charged: number
  /** Whether the reservation holds or held anything of the key. */
  readonly isHeld: boolean
  /** Of a check of 0 tokens, if the call has settled the reservation. It is known at the end of the reply. */
  reading: BucketReading | undefined
}

/** One for each call; `undefined` for one that was not decided: nothing was done. */
export function reservationRepliesIn(
  reply: Buffer,
  calls: readonly AskedReservation[],
  report: ReplyReport,
): readonly (ReservationReply | undefined)[] {
  const reader = new ReplyReader(reply)
  const replies = calls.map(call => readReply(reader, call, report))
  const readings = reader.end(report)
  if (replies.some(({ state }) => state === 'unknown-period')) report.clocksDiffered()
  let next = 0
  return replies.map((replied, i) => {
    if (replied.state === 'elsewhere' || replied.state === 'unknown-period') return undefined
    if (isEnding(calls[i] as AskedReservation, replied.state)) {
      for (const key of replied.keys) key.reading = readings[next++]
    }
    return replied
  })
}

function readReply(reader: ReplyReader, call: AskedReservation, report: ReplyReport): ReservationReply {
  const code = reader.number()
  const reply = code === SETTLED_IN_FULL ? settledInFull(call) : readParts(reader, code, call, report)
  if (isEnding(call, reply.state)) readChecks(reader, call)
  return reply
}

function settledInFull({ asked }: AskedReservation): ReservationReply {
  const [tokens = 0] = 'tokens' in asked ? asked.tokens : []
  return {
    ...{ state: 'settled', expiresAtMs: 0, isRepeated: false },
    keys: [{ settled: tokens, charged: tokens, isHeld: true, reading: undefined }],
  }
}

function readParts(reader: ReplyReader, code: number, call: AskedReservation, report: ReplyReport): ReservationReply {
  const state = STATES[code] ?? 'not-found'
  const number = reader.number()
  const keys = call.request.named.map(({ key }) => readKey(reader, key, report))
  return { state, expiresAtMs: number, isRepeated: isEnding(call, state) && number === 1, keys }
}

function readKey(reader: ReplyReader, key: string, report: ReplyReport): RepliedKey {
  const settled = reader.number()
  const charged = reader.number()
  const expired = reader.number()
  if (expired > 0) report.expired(key, expired)
  return { settled, charged: Math.max(0, charged), isHeld: charged >= 0, reading: undefined }
}

/** Whether the call has ended the reservation, now or before. */
function isEnding({ asked }: AskedReservation, state: ReservationReply['state'] | undefined): boolean {
  const { what } = asked
  return (what === 'settle' && state === 'settled') || (what === 'release' && state === 'released')
}

function readChecks(reader: ReplyReader, { request, asked }: AskedReservation): void {
  if (!('policies' in asked)) return
  for (const [i, { key }] of request.named.entries()) reader.read(key, asked.policies[i] as Policy)
}
