import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Client } from './client.ts'

/** The keys of a history, and their limits, which do not refill. The first has a limit of concurrent reservations too. */
const CAPACITY = [10, 12, 6] as const
const SLOTS = [3, 0, 0] as const
/** The model has a place for this many. */
const MAX_RESERVATIONS = 64
const NEVER = { refillTokens: 1, refillIntervalMs: 2_000_000_000 }
const TTL_MS = 3_600_000
/** Pause of a caller that reaches no process. */
const REFUSED_PAUSE_MS = 50

/** One call of a caller, as the model reads it. */
interface Operation {
  readonly caller: number
  readonly call: number
  readonly return: number
  readonly kind: Kind
  readonly keys: readonly number[]
  readonly tokens: readonly number[]
  readonly reservation: number
  readonly isUnknown: boolean
  readonly status: number
  readonly remaining: readonly number[]
  readonly charged: readonly number[]
}

type Kind = 'check' | 'all' | 'reserve' | 'settle' | 'release'

interface MadeReservation {
  readonly number: number
  readonly keys: readonly number[]
  readonly tokens: readonly number[]
  /** Unknown until an answer has arrived. */
  id?: string
}

type Input = Pick<Operation, 'kind' | 'keys' | 'tokens' | 'reservation'>

/** The policies that decide the keys of every history. */
export async function storePolicies(client: Client): Promise<void> {
  for (const [i, capacity] of CAPACITY.entries()) {
    const slots = { name: 'slots', kind: 'concurrency', capacity: SLOTS[i] }
    const limits = [{ name: 'tokens', capacity, ...NEVER }, ...(SLOTS[i] ? [slots] : [])]
    await client.put(`history-${i}:*`, { limits, onStoreFailure: 'deny' })
  }
}

/** Callers that ask for random things about the same keys at the same time, and what they were answered. */
export class RecordedHistory {
  readonly #operations: Operation[] = []
  readonly #reservations: MadeReservation[] = []
  readonly #name: string
  readonly #clientOf: (caller: number) => Client
  readonly #random: () => number

  /** @param random at least 0, less than 1 */
  constructor(name: string, clientOf: (caller: number) => Client, random: () => number) {
    this.#name = name
    this.#clientOf = clientOf
    this.#random = random
  }

  async record(callers: number, callsOfEach: number): Promise<this> {
    await Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        for (let i = 0; i < callsOfEach; i++) await this.#callAtRandom(caller)
      }),
    )
    return this
  }

  /** Calls whose answer did not arrive. */
  get unknown(): number {
    return this.#operations.filter(({ isUnknown }) => isUnknown).length
  }

  get length(): number {
    return this.#operations.length
  }

  toJson(): string {
    return JSON.stringify({ capacity: CAPACITY, slots: SLOTS, operations: this.#operations })
  }

  #callAtRandom(caller: number): Promise<void> {
    const dice = this.#random()
    if (dice < 0.2) return this.#check(caller)
    if (dice < 0.35) return this.#checkAll(caller)
    const isFull = this.#reservations.length === MAX_RESERVATIONS
    if (this.#reservations.length === 0 || (dice < 0.6 && !isFull)) return this.#reserve(caller, this.#newReservation())
    const made = this.#oneOf(this.#reservations)
    if (dice < 0.7 || made.id === undefined) return this.#reserve(caller, made)
    return dice < 0.9 ? this.#settle(caller, made, made.id) : this.#release(caller, made, made.id)
  }

  #check(caller: number): Promise<void> {
    const [key, tokens] = [this.#upTo(CAPACITY.length - 1), this.#upTo(3)]
    return this.#record(caller, { kind: 'check', keys: [key], tokens: [tokens], reservation: 0 }, client =>
      client.check(this.#keyName(key), tokens),
    )
  }

  #checkAll(caller: number): Promise<void> {
    const keys = this.#someKeys(2)
    const tokens = keys.map(() => this.#upTo(2))
    return this.#record(caller, { kind: 'all', keys, tokens, reservation: 0 }, client =>
      client.request('POST', '/check/all', { checks: this.#checksOf(keys, tokens) }),
    )
  }

  #newReservation(): MadeReservation {
    const keys = this.#someKeys(1)
    const made = { number: this.#reservations.length, keys, tokens: keys.map(() => this.#upTo(4)) }
    this.#reservations.push(made)
    return made
  }

  #reserve(caller: number, made: MadeReservation): Promise<void> {
    const { number: reservation, keys, tokens } = made
    return this.#record(caller, { kind: 'reserve', keys, tokens, reservation }, async client => {
      const body = { checks: this.#checksOf(keys, tokens), ttlMs: TTL_MS }
      const idempotencyKey = { 'idempotency-key': `${this.#name}-${reservation}` }
      const answer = await client.request('POST', '/reservations', body, idempotencyKey)
      if (answer.status === 201) made.id = answer.body.id
      return answer
    })
  }

  #settle(caller: number, { number: reservation, keys }: MadeReservation, id: string): Promise<void> {
    const tokens = keys.map(() => this.#upTo(7))
    return this.#record(caller, { kind: 'settle', keys, tokens, reservation }, client =>
      client.request('POST', `/reservations/${id}/settle`, { checks: this.#checksOf(keys, tokens) }),
    )
  }

  #release(caller: number, { number: reservation, keys, tokens }: MadeReservation, id: string): Promise<void> {
    return this.#record(caller, { kind: 'release', keys, tokens, reservation }, client =>
      client.request('DELETE', `/reservations/${id}`),
    )
  }

  async #record(caller: number, input: Input, ask: (client: Client) => Promise<Answer>): Promise<void> {
    const call = now()
    const answer = await ask(this.#clientOf(caller)).catch(withoutAnswer)
    // A call that was never sent has no place in the history. Nor has a denial that a process remembers for a moment after something
    // was freed.
    if (answer === 'refused') return sleep(REFUSED_PAUSE_MS)
    if (answer !== 'lost' && isRemembered(answer)) return
    const isUnknown = answer === 'lost' || answer.status >= 500
    const status = isUnknown ? 0 : answer.status
    const figures = isUnknown ? { remaining: [], charged: [] } : figuresOf(answer)
    this.#operations.push({ caller, call, return: now(), ...input, isUnknown, status, ...figures })
  }

  #checksOf(keys: readonly number[], tokens: readonly number[]) {
    return keys.map((key, i) => ({ key: this.#keyName(key), tokens: tokens[i] }))
  }

  #keyName(key: number): string {
    return `history-${key}:${this.#name}`
  }

  /** At least so many different keys, in any order. */
  #someKeys(least: number): readonly number[] {
    const keys = CAPACITY.map((_, key) => ({ key, at: this.#random() })).sort((a, b) => a.at - b.at)
    return keys.slice(0, least + this.#upTo(CAPACITY.length - least)).map(({ key }) => key)
  }

  #upTo(most: number): number {
    return Math.floor(this.#random() * (most + 1))
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[this.#upTo(items.length - 1)] as T
  }
}

/** Nanoseconds. */
function now(): number {
  return Math.round(performance.now() * 1e6)
}

/** The decisions in an answer. */
function decisionsOf({ body }: Answer) {
  return body?.results ?? (body?.remaining === undefined ? [] : [body])
}

/** `refused` if the call was never sent. */
function withoutAnswer(err: { readonly cause?: { readonly code?: string } }): 'refused' | 'lost' {
  return err.cause?.code === 'ECONNREFUSED' ? 'refused' : 'lost'
}

function isRemembered(answer: Answer): boolean {
  return [answer.body, ...decisionsOf(answer)].some(decision => decision?.source === 'denied-cache')
}

function figuresOf(answer: Answer): Pick<Operation, 'remaining' | 'charged'> {
  return {
    remaining: decisionsOf(answer).map(leftOfTokens),
    charged: (answer.body?.checks ?? []).map(({ charged }: { charged: number }) => charged),
  }
}

/** What is left of the limit `tokens`, which is the only one of most keys. */
function leftOfTokens({ limits, remaining }: { limits?: { name: string; remaining: number }[]; remaining: number }) {
  return limits?.find(({ name }) => name === 'tokens')?.remaining ?? remaining
}
