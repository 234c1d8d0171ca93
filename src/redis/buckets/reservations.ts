import {
  type Amounts,
  type CheckGroup,
  type Extension,
  type ExtensionResult,
  type GroupReading,
  type SettledKey,
  type Settlement,
  type SettlementResult,
  UNFINISHED,
  type Unfinished,
} from '../../check/ports.ts'
import type { Policy } from '../../domain/policy.ts'
import type { Reservation, ReservedKey } from '../../domain/reservation.ts'
import type { ReservationId } from '../../domain/reservation-id.ts'
import { setBounded } from '../../lib/set-bounded.ts'
import { pick, place } from './groups.ts'
import type { AskedOfReservation, AskedReservation } from './reservation-call.ts'
import type { RecordedRequest } from './reservation-record.ts'
import type { ReservationReply } from './reservation-reply.ts'

/** Reservations whose keys are remembered at most. */
const MAX_REMEMBERED = 10_000

/** Keys that one call of the store names at most: with eight limits each, it takes about 3 ms. */
const MAX_KEYS_PER_CALL = 64

interface ReservationsOptions {
  /** Asks the store. A result is `undefined` where the store was unavailable for it. */
  ask(calls: readonly AskedReservation[]): Promise<readonly (ReservationReply | undefined)[]>
  /** Reads records; `undefined` where there is none. */
  readRecords(ids: readonly ReservationId[]): Promise<readonly (RecordedRequest | undefined)[]>
}

/** A call on a reservation, before its keys are known. */
interface Requested {
  readonly id: ReservationId
}

/** What calls of one kind ask, and what their replies mean. */
interface Kind<Item extends Requested, Result> {
  askedOf(item: Item, request: RecordedRequest): AskedOfReservation
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
      setBounded(this.#remembered, hold.id, hold, MAX_REMEMBERED)
    }
  }

  settle(settlements: readonly Settlement[]): Promise<readonly (SettlementResult | Unfinished | undefined)[]> {
    return this.#perform(settling, settlements)
  }

  extend(extensions: readonly Extension[]): Promise<readonly (ExtensionResult | Unfinished | undefined)[]> {
    return this.#perform(extending, extensions)
  }

  read(ids: readonly ReservationId[]): Promise<readonly (Reservation | null | Unfinished | undefined)[]> {
    return this.#perform(
      reading,
      ids.map(id => ({ id })),
    )
  }

  async #perform<Item extends Requested, Result>(
    kind: Kind<Item, Result>,
    items: readonly Item[],
  ): Promise<readonly (Result | Unfinished | undefined)[]> {
    const remembered = items.map(({ id }) => this.#remembered.get(id))
    const known = remembered.includes(undefined) ? await this.#complete(items, remembered) : remembered
    const results: (Result | Unfinished | undefined)[] = known.map(request =>
      request === undefined ? kind.notFound : undefined,
    )
    const indexes: number[] = []
    const calls: AskedReservation[] = []
    for (const [index, item] of items.entries()) {
      const request = known[index]
      if (request === undefined) continue
      indexes.push(index)
      calls.push({ id: item.id, request, asked: kind.askedOf(item, request) })
    }
    const replies = await this.#askInParts(calls)
    const outdated: number[] = []
    for (const [i, call] of calls.entries()) {
      const reply = replies[i]
      const index = indexes[i] as number
      if (reply === undefined) continue
      if (reply.state === 'unfinished') {
        results[index] = UNFINISHED
        continue
      }
      if (reply.state !== 'held') this.#remembered.delete(call.id)
      if (reply.state === 'not-found' && remembered[index] !== undefined) outdated.push(index)
      else results[index] = kind.resultOf(reply, call)
    }
    if (outdated.length > 0) place(results, outdated, await this.#perform(kind, pick(items, outdated)))
    return results
  }

  /** One part after another, so that other calls get their turn in between. */
  async #askInParts(calls: readonly AskedReservation[]): Promise<readonly (ReservationReply | undefined)[]> {
    const replies: (ReservationReply | undefined)[] = []
    for (const part of partsOf(calls)) replies.push(...(await this.#options.ask(part)))
    return replies
  }

  /** Reads the records of the reservations that are not remembered. */
  async #complete(
    items: readonly Requested[],
    remembered: readonly (RecordedRequest | undefined)[],
  ): Promise<readonly (RecordedRequest | undefined)[]> {
    const missing = [...remembered.keys()].filter(index => remembered[index] === undefined)
    const known = [...remembered]
    place(known, missing, await this.#options.readRecords(pick(items, missing).map(({ id }) => id)))
    return known
  }
}

function partsOf(calls: readonly AskedReservation[]): readonly (readonly AskedReservation[])[] {
  const parts: AskedReservation[][] = []
  let keys = Number.POSITIVE_INFINITY
  for (const call of calls) {
    keys += call.request.named.length
    if (keys > MAX_KEYS_PER_CALL) {
      parts.push([])
      keys = call.request.named.length
    }
    parts.at(-1)?.push(call)
  }
  return parts
}

const settling: Kind<Settlement, SettlementResult> = {
  notFound: { status: 'not-found' },
  askedOf: ({ amounts, policyOf }, { named }) => {
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

function settledKey(
  { key, tokens: reserved }: ReservedKey,
  replied: ReservationReply['keys'][number] | undefined,
  policy: Policy,
): SettledKey {
  const { settled = 0, charged = 0, isHeld = false, reading } = replied ?? {}
  const ofLimits = policy.limits.length > 0 ? reading : undefined
  return { key, reserved: isHeld ? reserved : undefined, tokens: settled, charged, policy, reading: ofLimits }
}

/** The tokens of each key, in the order of the reservation; `undefined` if other keys are named. */
function tokensOf(named: RecordedRequest['named'], amounts: Amounts): readonly number[] | undefined {
  if (amounts === 'release') return named.map(() => 0)
  if (amounts === 'reserved') return named.map(({ tokens }) => tokens)
  if (typeof amounts === 'number') return named.map(() => amounts)
  const isComplete = amounts.size === named.length && named.every(({ key }) => amounts.has(key))
  return isComplete ? named.map(({ key }) => amounts.get(key) ?? 0) : undefined
}

const extending: Kind<Extension, ExtensionResult> = {
  notFound: { status: 'not-found' },
  askedOf: ({ ttlMs }) => ({ what: 'extend', ttlMs }),
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

const reading: Kind<Requested, Reservation | null> = {
  notFound: null,
  askedOf: () => ({ what: 'tell' }),
  resultOf: ({ state, expiresAtMs, keys }, { id, request: { named } }) => {
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
