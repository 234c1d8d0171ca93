import type { Limit } from '../../src/domain/limits/limit.ts'
import { divisorOf, Fraction, ZERO } from './fraction.ts'

/** The expected values of one limit of a check. */
export interface LimitAnswer {
  readonly name: string
  readonly allows: boolean
  readonly remaining: number
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number
  readonly nextTokenAfterMs: number
}

/** The expected result of a check. */
export interface Answer {
  readonly allowed: boolean
  /** The limit whose values the response shows. */
  readonly binding: string
  readonly limits: readonly LimitAnswer[]
}

/** The tokens spent of one limit, and the number of units per token in which they were counted. */
interface Spending {
  readonly limit: string
  readonly tokens: Fraction
  readonly grain: bigint
  /** When it was last spent from. */
  readonly at: bigint
  /** When all limits of the policy that spent it are full again. From then on the spending is forgotten. */
  readonly fullAt: bigint
}

/** A limit and what was spent of it, at the time of a check. */
interface Found {
  readonly limit: Limit
  readonly spent: Fraction
}

const LARGEST_PAUSE_MS = 10_000n
const MOST_OTHERS = 8

/**
 * The bucket of one key, implemented from docs/api.md and docs/consistency.md in exact rational numbers. Tests compare the
 * service's integer arithmetic with it. It shares no code with the service.
 */
export class BucketOracle {
  /** When it was last spent from. */
  #at: bigint | undefined
  #spendings: readonly Spending[] = []

  /** When the bucket is full and forgotten; `undefined` if it already is. */
  get forgottenAtMs(): bigint | undefined {
    return this.#at === undefined ? undefined : latest(this.#spendings.map(({ fullAt }) => fullAt))
  }

  check(limits: readonly Limit[], tokens: number, nowMs: number): Answer {
    const now = BigInt(nowMs)
    this.#lookAtClock(now)
    const at = this.#at !== undefined && this.#at > now ? this.#at : now
    const pause = at - now

    const found = limits.map(limit => ({ limit, spent: this.#spentOf(limit, at) }))
    const allowed = found.every(state => has(state, tokens))
    if (!allowed) return denial(found, tokens, pause)
    const after = found.map(({ limit, spent }) => ({ limit, spent: spent.plus(new Fraction(tokens)) }))
    if (tokens > 0) this.#spend(after, at)
    return answer(
      true,
      tightest(after),
      after.map(state => limitAnswer(state, 0n, pause)),
    )
  }

  #lookAtClock(now: bigint): void {
    const forgottenAt = this.forgottenAtMs
    if (forgottenAt !== undefined && now >= forgottenAt) {
      this.#at = undefined
      this.#spendings = []
    }
    if (this.#at === undefined || this.#at - now <= LARGEST_PAUSE_MS) return
    this.#at = now
    this.#spendings = this.#spendings.map(spending => {
      const ahead = spending.at > now ? spending.at - now : 0n
      return { ...spending, at: spending.at - ahead, fullAt: spending.fullAt - ahead }
    })
  }

  #spentOf(limit: Limit, at: bigint): Fraction {
    const spending = this.#spendings.find(({ limit: name, fullAt }) => name === limit.name && at < fullAt)
    if (spending === undefined) return ZERO
    const spent = spending.grain === grainOf(limit) ? spending.tokens : new Fraction(spending.tokens.ceil())
    const kept = spent.atMost(new Fraction(limit.capacity))
    return kept.minus(rateOf(limit).times(new Fraction(at - spending.at))).atLeast(ZERO)
  }

  /** Records the spending of the policy's limits, and keeps that of other limits unchanged. */
  #spend(after: readonly Found[], at: bigint): void {
    const fullAt =
      at +
      after
        .map(timeToFull)
        .reduce((a, b) => a.atLeast(b))
        .ceil()
    const own = after.map(({ limit, spent }) => ({
      limit: limit.name,
      tokens: spent,
      grain: grainOf(limit),
      at,
      fullAt,
    }))
    const others = this.#spendings.filter(
      ({ limit, fullAt }) => at < fullAt && !own.some(spending => spending.limit === limit),
    )
    const slowest = others.toSorted((a, b) => Number(b.fullAt - a.fullAt)).slice(0, MOST_OTHERS)
    this.#at = at
    this.#spendings = [...own, ...slowest]
  }
}

function latest(times: readonly bigint[]): bigint {
  return times.reduce((a, b) => (b > a ? b : a), 0n)
}

function denial(found: readonly Found[], tokens: number, pause: bigint): Answer {
  const limits = found.map(state => limitAnswer(state, waitFor(state, tokens, pause), pause))
  const wait = ({ retryAfterMs }: LimitAnswer) => retryAfterMs ?? Number.POSITIVE_INFINITY
  const longest = limits.reduce((a, b) => (wait(b) > wait(a) ? b : a))
  return answer(false, longest.name, limits)
}

function answer(allowed: boolean, binding: string, limits: readonly LimitAnswer[]): Answer {
  return { allowed, binding, limits }
}

function limitAnswer(state: Found, wait: bigint | null, pause: bigint): LimitAnswer {
  const left = leftOf(state)
  const missing = new Fraction(left.floor() + 1n).minus(left)
  const isFull = !ZERO.isBelow(state.spent)
  return {
    name: state.limit.name,
    allows: wait === 0n,
    remaining: Number(left.floor()),
    retryAfterMs: wait === null ? null : Number(wait),
    resetAfterMs: isFull ? 0 : Number(timeToFull(state).ceil() + pause),
    nextTokenAfterMs: isFull ? 0 : Number(missing.over(rateOf(state.limit)).ceil() + pause),
  }
}

/** Time until the limit allows the tokens, in ms; `null` means never. */
function waitFor(state: Found, tokens: number, pause: bigint): bigint | null {
  if (has(state, tokens)) return 0n
  if (tokens > state.limit.capacity) return null
  return new Fraction(tokens).minus(leftOf(state)).over(rateOf(state.limit)).ceil() + pause
}

function tightest(states: readonly Found[]): string {
  const share = (state: Found) => new Fraction(leftOf(state).floor(), state.limit.capacity)
  return states.reduce((a, b) => (share(b).isBelow(share(a)) ? b : a)).limit.name
}

function has(state: Found, tokens: number): boolean {
  return !leftOf(state).isBelow(new Fraction(tokens))
}

function leftOf({ limit, spent }: Found): Fraction {
  return new Fraction(limit.capacity).minus(spent)
}

function timeToFull({ limit, spent }: Found): Fraction {
  return spent.over(rateOf(limit))
}

/** Tokens per millisecond. */
function rateOf(limit: Limit): Fraction {
  return new Fraction(limit.refillTokens, limit.refillIntervalMs)
}

/** Units per token: refillIntervalMs ÷ gcd(refillTokens, refillIntervalMs). */
export function grainOf({ refillTokens, refillIntervalMs }: Limit): bigint {
  return BigInt(refillIntervalMs) / divisorOf(BigInt(refillTokens), BigInt(refillIntervalMs))
}
