/** Decodes the reply of `lua/reservations.lua`. */
import type { BucketReading } from '../../domain/reading.ts'
import { BYTES_PER_NUMBER, numbersIn, type RepliedCheck, type ReplyReport, readingsIn } from './check-reply.ts'
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
] as const

export interface ReservationReply {
  /** How the reservation stands after the call. The last two of the states say why it was not decided. */
  readonly state: (typeof STATES)[number]
  readonly expiresAtMs: number
  readonly keys: readonly RepliedKey[]
}

interface RepliedKey {
  readonly settled: number
  readonly charged: number
  /** Of a check of 0 tokens, if the call has settled the reservation. */
  readonly reading?: BucketReading | undefined
}

/** One for each call; `undefined` for one that was not decided: nothing was done. */
export function reservationRepliesIn(
  reply: Buffer,
  calls: readonly AskedReservation[],
  report: ReplyReport,
): readonly (ReservationReply | undefined)[] {
  const numbers = new Numbers(reply)
  const replies = calls.map(({ request }) => ({
    state: STATES[numbers.next()] ?? 'not-found',
    expiresAtMs: numbers.next(),
    keys: request.named.map(() => ({ settled: numbers.next(), charged: numbers.next() })),
  }))
  const settled = calls.flatMap((call, i) => (isSettled(call, replies[i]) ? checksOf(call) : []))
  const readings = readingsIn(reply, settled, report, numbers.at).values()
  if (replies.some(({ state }) => state === 'unknown-period')) report.clocksDiffered()
  return replies.map((replied, i) => {
    const call = calls[i] as AskedReservation
    if (replied.state === 'elsewhere' || replied.state === 'unknown-period') return undefined
    if (!isSettled(call, replied)) return replied
    return { ...replied, keys: replied.keys.map(key => ({ ...key, reading: readings.next().value })) }
  })
}

function isSettled({ asked }: AskedReservation, replied: ReservationReply | undefined): boolean {
  const { what } = asked
  return (what === 'settle' && replied?.state === 'settled') || (what === 'release' && replied?.state === 'released')
}

function checksOf({ request, asked }: AskedReservation): readonly RepliedCheck[] {
  if (!('policies' in asked)) return []
  return request.named.map(({ key }, i) => ({ key, policy: asked.policies[i] as RepliedCheck['policy'] }))
}

/** Reads one number after another. */
class Numbers {
  readonly #numbers: DataView
  /** The byte at which the next one begins. */
  at = 0

  constructor(reply: Buffer) {
    this.#numbers = numbersIn(reply)
  }

  next(): number {
    const number = this.#numbers.getFloat64(this.at)
    this.at += BYTES_PER_NUMBER
    return number
  }
}
