import type {
  Amounts,
  CheckGroup,
  Extension,
  ExtensionResult,
  GroupReading,
  SettledKey,
  Settlement,
  SettlementResult,
} from '../../check/ports.ts'
import type { Policy } from '../../domain/policy.ts'
import type { Reservation, ReservedKey } from '../../domain/reservation.ts'
import type { ReservationId } from '../../domain/reservation-id.ts'
import { setBounded } from '../../lib/set-bounded.ts'
import type { AskedOfReservation, AskedReservation } from './reservation-call.ts'
import type { RecordedRequest } from './reservation-record.ts'
import type { ReservationReply } from './reservation-reply.ts'

/** Reservations whose keys are remembered at most. */
const MAX_REMEMBERED = 10_000

interface ReservationsOptions {
  /** Asks the store. A result is `undefined` where the store was unavailable for it. */
  ask(calls: readonly AskedReservation[]): Promise<readonly (ReservationReply | undefined)[]>
  /** Reads records; `undefined` where there is none. */
  readRecords(ids: readonly ReservationId[]): Promise<readonly (RecordedRequest | undefined)[]>
}

/** A request about a reservation, before its keys are known. */
interface Requested<Result> {
  readonly id: ReservationId
  askedOf(request: RecordedRequest): AskedOfReservation
  resultOf(reply: ReservationReply, call: AskedReservation): Result
  readonly notFound: Result
}

/**
 * Settles, extends and reads reservations. A call names the reservation's keys, which only its record tells; those of the reservations
 * that this process has made are remembered until they end, so that most calls take one round trip.
 */
export class Reservations {
  readonly #options: ReservationsOptions
  readonly #remembered = new Map<ReservationId, RecordedRequest>()

  constructor(options: ReservationsOptions) {
    this.#options = options
  }

  /** Remembers the keys of the reservations among these groups. */
  rememberHeld(groups: readonly CheckGroup[], readings: readonly (GroupReading | undefined)[]): void {
    for (const [i, { hold }] of groups.entries()) {
      if (hold === undefined || readings[i]?.reservation === undefined) continue
      const { id, fingerprint, named } = hold
      setBounded(this.#remembered, id, { fingerprint, named }, MAX_REMEMBERED)
    }
  }

  settle(settlements: readonly Settlement[]): Promise<readonly (SettlementResult | undefined)[]> {
    return this.#perform(settlements.map(settling))
  }

  extend(extensions: readonly Extension[]): Promise<readonly (ExtensionResult | undefined)[]> {
    return this.#perform(extensions.map(extending))
  }

  read(ids: readonly ReservationId[]): Promise<readonly (Reservation | null | undefined)[]> {
    return this.#perform(ids.map(reading))
  }

  async #perform<Result>(requests: readonly Requested<Result>[]): Promise<readonly (Result | undefined)[]> {
    const remembered = requests.map(({ id }) => this.#remembered.get(id))
    const known = await this.#complete(requests, remembered)
    const results: (Result | undefined)[] = requests.map(({ notFound }, i) => (known[i] ? undefined : notFound))
    const calls: { readonly index: number; readonly call: AskedReservation }[] = []
    for (const [index, { id, askedOf }] of requests.entries()) {
      const request = known[index]
      if (request !== undefined) calls.push({ index, call: { id, request, asked: askedOf(request) } })
    }
    const replies = calls.length === 0 ? [] : await this.#options.ask(calls.map(({ call }) => call))
    const outdated: number[] = []
    for (const [i, { index, call }] of calls.entries()) {
      const reply = replies[i]
      if (reply === undefined) continue
      if (reply.state !== 'held') this.#remembered.delete(call.id)
      if (reply.state === 'not-found' && remembered[index] !== undefined) outdated.push(index)
      else results[index] = requests[index]?.resultOf(reply, call)
    }
    await this.#performAgain(requests, outdated, results)
    return results
  }

  /** Another reservation may have the id of one that is remembered: an idempotency key can be used again after some time. */
  async #performAgain<Result>(
    requests: readonly Requested<Result>[],
    outdated: readonly number[],
    results: (Result | undefined)[],
  ): Promise<void> {
    if (outdated.length === 0) return
    const found = await this.#perform(outdated.map(index => requests[index] as Requested<Result>))
    for (const [i, index] of outdated.entries()) results[index] = found[i]
  }

  /** Reads the records of the reservations that are not remembered. */
  async #complete(
    requests: readonly { readonly id: ReservationId }[],
    remembered: readonly (RecordedRequest | undefined)[],
  ): Promise<readonly (RecordedRequest | undefined)[]> {
    const missing = [...remembered.keys()].filter(index => remembered[index] === undefined)
    if (missing.length === 0) return remembered
    const read = await this.#options.readRecords(missing.map(index => (requests[index] as { id: ReservationId }).id))
    const known = [...remembered]
    for (const [i, index] of missing.entries()) known[index] = read[i]
    return known
  }
}

function settling({ id, amounts, policyOf }: Settlement): Requested<SettlementResult> {
  return {
    id,
    notFound: { status: 'not-found' },
    askedOf: ({ named }) => {
      const tokens = tokensOf(named, amounts)
      if (tokens === undefined) return { what: 'tell' }
      return { what: amounts === 'release' ? 'release' : 'settle', policies: named.map(policyOf), tokens }
    },
    resultOf: ({ state, keys, isRepeated }, { request: { named }, asked }) => {
      if (state === 'not-found') return { status: state }
      if (!('policies' in asked)) return { status: 'keys-differ', keys: named.map(({ key }) => key) }
      switch (state) {
        case 'settled':
        case 'released':
          return {
            status: state,
            keys: named.map((name, i) => settledKey(name, keys[i], asked.policies[i] as Policy)),
            ...(isRepeated && { isRepeated }),
          }
        case 'ended-settled':
          return { status: 'ended', ended: 'settled' }
        case 'ended-released':
          return { status: 'ended', ended: 'released' }
        default:
          return { status: 'not-found' }
      }
    },
  }
}

function settledKey(
  { key, tokens: reserved }: ReservedKey,
  replied: ReservationReply['keys'][number] | undefined,
  policy: Policy,
): SettledKey {
  const { settled = 0, charged = 0, isHeld = false, reading } = replied ?? {}
  const hasReading = reading !== undefined && policy.limits.length > 0
  return { key, ...(isHeld && { reserved }), tokens: settled, charged, policy, ...(hasReading && { reading }) }
}

/** The tokens of each key, in the order of the reservation; `undefined` if other keys are named. */
function tokensOf(named: RecordedRequest['named'], amounts: Amounts): readonly number[] | undefined {
  if (amounts === 'release') return named.map(() => 0)
  if (amounts === 'reserved') return named.map(({ tokens }) => tokens)
  if (typeof amounts === 'number') return named.map(() => amounts)
  const isComplete = amounts.size === named.length && named.every(({ key }) => amounts.has(key))
  return isComplete ? named.map(({ key }) => amounts.get(key) ?? 0) : undefined
}

function extending({ id, ttlMs }: Extension): Requested<ExtensionResult> {
  return {
    id,
    notFound: { status: 'not-found' },
    askedOf: () => ({ what: 'extend', ttlMs }),
    resultOf: ({ state, expiresAtMs }) => {
      switch (state) {
        case 'held':
          return { status: 'extended', expiresAtMs }
        case 'settled':
        case 'released':
        case 'expired':
          return { status: 'ended', ended: state }
        case 'lost':
          return { status: 'ended', ended: 'released' }
        default:
          return { status: 'not-found' }
      }
    },
  }
}

function reading(id: ReservationId): Requested<Reservation | null> {
  return {
    id,
    notFound: null,
    askedOf: () => ({ what: 'tell' }),
    resultOf: ({ state, expiresAtMs, keys }, { request: { named } }) => {
      const status = state === 'lost' ? 'released' : state
      if (status !== 'held' && status !== 'settled' && status !== 'released' && status !== 'expired') return null
      const isCharged = state !== 'held' && state !== 'lost'
      return {
        id,
        status,
        expiresAtMs,
        keys: named.map((name, i) => (isCharged ? { ...name, charged: keys[i]?.charged ?? 0 } : name)),
      }
    },
  }
}
