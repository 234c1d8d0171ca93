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
  /** The state of the reservation after the call. The last two of the states say why it was not decided. */
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
  const replies = calls.map((call): ReservationReply => {
    const state = STATES[numbers.next()] ?? 'not-found'
    const number = numbers.next()
    const keys = call.request.named.map(({ key }) => nextKey(numbers, key, report))
    return { state, expiresAtMs: number, isRepeated: isEnding(call, state) && number === 1, keys }
  })
  const settled = calls.flatMap((call, i) => (isEnding(call, replies[i]?.state) ? checksOf(call) : []))
  const readings = readingsIn(reply, settled, report, numbers.at).values()
  if (replies.some(({ state }) => state === 'unknown-period')) report.clocksDiffered()
  return replies.map((replied, i) => {
    const call = calls[i] as AskedReservation
    if (replied.state === 'elsewhere' || replied.state === 'unknown-period') return undefined
    if (!isEnding(call, replied.state)) return replied
    return { ...replied, keys: replied.keys.map(key => ({ ...key, reading: readings.next().value })) }
  })
}

function nextKey(numbers: Numbers, key: string, report: ReplyReport): RepliedKey {
  const settled = numbers.next()
  const charged = numbers.next()
  const expired = numbers.next()
  if (expired > 0) report.expired(key, expired)
  return { settled, charged: Math.max(0, charged), isHeld: charged >= 0 }
}

/** Whether the call has ended the reservation, now or before. */
function isEnding({ asked }: AskedReservation, state: ReservationReply['state'] | undefined): boolean {
  const { what } = asked
  return (what === 'settle' && state === 'settled') || (what === 'release' && state === 'released')
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
