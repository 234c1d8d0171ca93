import { compileLimits, type Limit } from '../../src/domain/limits/limit.ts'
import type { TokenBucketLimit } from '../../src/domain/limits/token-bucket.ts'
import { divisorOf, Fraction, ZERO } from './fraction.ts'
import { naivePeriod } from './naive-calendar.ts'

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
  /** A shadow limit would deny the allowed check. */
  readonly shadowed: boolean
  /** The limit whose values the response shows. */
  readonly binding: string
  readonly limits: readonly LimitAnswer[]
}

/** What was spent of one limit. */
interface Spending {
  /** Its kind and name. */
  readonly limit: string
  /** Of a token bucket: all that has not refilled yet. Of a quota: each spending of the last period, one after another. */
  readonly tokens: readonly Fraction[]
  /** Decides which of equally slow limits is kept. Nothing is promised of that, so it is the service's own number. */
  readonly order: number
  /** The number of units per token in which they were counted. */
  readonly grain: bigint
  /** When it was last spent from. */
  readonly at: bigint
  /** When all limits of the policy that spent it are full again, and stay so if the clock goes back a little. From then on the spending is forgotten. */
  readonly fullAt: bigint
}

/** A limit and what was spent of it, at the time of a check. */
interface Found {
  readonly limit: Limit
  /** As in `Spending`, but only what still counts. */
  readonly tokens: readonly Fraction[]
  readonly spent: Fraction
  /** When the period of a quota ends. */
  readonly periodEnd: bigint
}

const LARGEST_PAUSE_MS = 10_000n
const MOST_OTHERS = 8

/**
 * The bucket of one key, implemented from docs/api.md and docs/consistency.md in exact rational numbers. Tests compare the
 * service's integer arithmetic with it. It shares no arithmetic with the service.
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

    const found = limits.map(limit => foundOf(limit, this.#countedOf(limit, at), at))
    const allowed = enforced(found).every(state => has(state, tokens))
    if (!allowed) return denial(found, tokens, { now, pause })
    // A shadow limit that would deny is left as it is.
    const after = found.map(state =>
      has(state, tokens) ? foundOf(state.limit, [...state.tokens, new Fraction(tokens)], at) : state,
    )
    if (tokens > 0) this.#spend(after, at)
    const waits = found.map(state => waitFor(state, tokens, { now, pause }))
    return {
      allowed: true,
      shadowed: waits.some(wait => wait !== 0n),
      binding: tightest(enforced(after)),
      limits: after.map((state, i) => limitAnswer(state, waits[i] ?? null, { now, pause })),
    }
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

  /** What counts of what was spent from a limit. */
  #countedOf(limit: Limit, at: bigint): readonly Fraction[] {
    const spending = this.#spendings.find(({ limit: id, fullAt }) => id === idOf(limit) && at < fullAt)
    if (spending === undefined) return []
    if (limit.kind === 'quota') return spending.at < naivePeriod(limit, Number(at)).start ? [] : spending.tokens
    const total = sumOf(spending.tokens)
    const spent = spending.grain === grainOf(limit) ? total : new Fraction(total.ceil())
    const kept = spent.atMost(new Fraction(limit.capacity))
    return [kept.minus(rateOf(limit).times(new Fraction(at - spending.at))).atLeast(ZERO)]
  }

  /** Records the spending of the policy's limits, and keeps that of other limits unchanged. */
  #spend(after: readonly Found[], at: bigint): void {
    const fullAt = latest(after.map(state => fullAtOf(state, at)))
    const own = after.map(({ limit, tokens }) => {
      const order = compileLimits([limit])[0]?.id ?? 0
      return { limit: idOf(limit), tokens, order, grain: grainOf(limit), at, fullAt }
    })
    const others = this.#spendings.filter(
      ({ limit, fullAt }) => at < fullAt && !own.some(spending => spending.limit === limit),
    )
    const slowest = others.toSorted((a, b) => Number(b.fullAt - a.fullAt) || a.order - b.order).slice(0, MOST_OTHERS)
    this.#at = at
    this.#spendings = [...own, ...slowest]
  }
}

function idOf({ kind, name }: Limit): string {
  return `${kind ?? 'bucket'} ${name}`
}

function sumOf(tokens: readonly Fraction[]): Fraction {
  return tokens.reduce((sum, more) => sum.plus(more), ZERO)
}

function foundOf(limit: Limit, tokens: readonly Fraction[], at: bigint): Found {
  const periodEnd = limit.kind === 'quota' ? BigInt(naivePeriod(limit, Number(at)).end) : 0n
  return { limit, tokens, spent: sumOf(tokens), periodEnd }
}

function latest(times: readonly bigint[]): bigint {
  return times.reduce((a, b) => (b > a ? b : a), 0n)
}

/** The time of a check, and how much later the bucket was last spent from. */
interface Moment {
  readonly now: bigint
  readonly pause: bigint
}

function denial(found: readonly Found[], tokens: number, moment: Moment): Answer {
  const answerOf = (state: Found) => limitAnswer(state, waitFor(state, tokens, moment), moment)
  const wait = ({ retryAfterMs }: LimitAnswer) => retryAfterMs ?? Number.POSITIVE_INFINITY
  const longest = enforced(found)
    .map(answerOf)
    .reduce((a, b) => (wait(b) > wait(a) ? b : a))
  return { allowed: false, shadowed: false, binding: longest.name, limits: found.map(answerOf) }
}

/** Without shadow limits. */
function enforced(found: readonly Found[]): readonly Found[] {
  return found.filter(({ limit }) => limit.shadow === undefined)
}

function limitAnswer(state: Found, wait: bigint | null, moment: Moment): LimitAnswer {
  const left = leftOf(state)
  const missing = new Fraction(left.floor() + 1n).minus(left)
  const isFull = !ZERO.isBelow(state.spent)
  return {
    name: state.limit.name,
    allows: wait === 0n,
    remaining: Math.max(0, Number(left.floor())),
    retryAfterMs: wait === null ? null : Number(wait),
    resetAfterMs: isFull ? 0 : Number(timeUntilBack(state, state.spent, moment)),
    nextTokenAfterMs: isFull ? 0 : Number(timeUntilBack(state, missing, moment)),
  }
}

/** Time until the limit allows the tokens, in ms; `null` means never. */
function waitFor(state: Found, tokens: number, moment: Moment): bigint | null {
  if (has(state, tokens)) return 0n
  if (tokens > state.limit.capacity) return null
  return timeUntilBack(state, new Fraction(tokens).minus(leftOf(state)), moment)
}

function timeUntilBack({ limit, periodEnd }: Found, tokens: Fraction, { now, pause }: Moment): bigint {
  return limit.kind === 'quota' ? periodEnd - now : tokens.over(rateOf(limit)).ceil() + pause
}

/** When nothing is spent any more, also if the clock then goes back by as much as may only pause it. */
function fullAtOf({ limit, spent, periodEnd }: Found, at: bigint): bigint {
  return limit.kind === 'quota' ? periodEnd + LARGEST_PAUSE_MS : at + spent.over(rateOf(limit)).ceil()
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

/** Tokens per millisecond. */
function rateOf(limit: TokenBucketLimit): Fraction {
  return new Fraction(limit.refillTokens, limit.refillIntervalMs)
}

/** Units per token: refillIntervalMs ÷ gcd(refillTokens, refillIntervalMs), or 1 for a quota. */
export function grainOf(limit: Limit): bigint {
  if (limit.kind === 'quota') return 1n
  const [tokens, interval] = [BigInt(limit.refillTokens), BigInt(limit.refillIntervalMs)]
  return interval / divisorOf(tokens, interval)
}
