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
  /** Of a token bucket: all that has not refilled yet, without the debt. Of a quota: each spending of the last period, one after another. */
  readonly tokens: readonly Fraction[]
  /** What was charged beyond the capacity of a token bucket. */
  readonly debt: Fraction
  /** Decides which of equally slow limits is kept. Nothing is promised of that, so it is the service's own number. */
  readonly order: number
  /** The number of units per token in which they were counted. */
  readonly grain: bigint
  /** When it was last spent from. */
  readonly at: bigint
  /**
   * When all limits of the policy that spent it are full again, or it is itself, and stay so if the clock goes back a little. From then on the
   * spending is forgotten.
   */
  readonly fullAt: bigint
  /** Whether it is a limit of the policy that spent last. */
  readonly isOwn: boolean
  /** The limit by which holds are charged to it. Absent if it was not spent from while there were holds. */
  readonly chargedAs?: Limit
  /** The limit by which it is known when it is full itself. Absent if nothing else was in the bucket when it was spent from. */
  readonly knownAs?: Known
  /** Whether `fullAt` is that of the slowest limit of its policy, although another one spent since. */
  readonly isEstimated?: boolean
}

/** A limit, and when the period began in which it was spent from if it is a quota. */
interface Known {
  readonly limit: Limit
  readonly start: bigint
}

/** A reservation of the key. */
interface HoldMade {
  readonly id: string
  readonly tokens: number
  readonly deadline: bigint
  readonly isCharged: boolean
}

/** How a reservation of the key ended that nobody settled. */
export interface HoldEnd {
  /** What its expiry was to charge. */
  readonly tokens: number
  /** By limit: the whole tokens that it has charged. Empty if there was nothing to charge, or a reset has forgotten it before. */
  readonly charged: ReadonlyMap<string, number>
  readonly isReset: boolean
}

/** What the expiry has charged of a limit that may have come later. */
function chargedOf(limit: string, { tokens, charged }: HoldEnd): number {
  return charged.get(limit) ?? (charged.size === 0 ? 0 : tokens)
}

export function leastCharged({ charged }: HoldEnd): number {
  return charged.size === 0 ? 0 : Math.min(...charged.values())
}

/** A limit and what was spent of it, at the time of a check. */
interface Found {
  readonly limit: Limit
  /** As in `Spending`, but only what still counts. */
  readonly tokens: readonly Fraction[]
  /** Together with the debt. */
  readonly spent: Fraction
  /** When the period of a quota ends. */
  readonly periodEnd: bigint
  readonly held: readonly HoldMade[]
}

/** What a check asks for. */
export interface Wanted {
  readonly tokens: number
  readonly reserves: boolean
}

const LARGEST_PAUSE_MS = 10_000n
/** Those that reservations are charged to, and those of which it is not known when they are full themselves, count by themselves. */
const MOST_OTHERS = { charged: 48, estimated: 8, other: 8 }
const MOST_UNITS = 2n ** 53n - 1n
/** Expired reservations that one access settles at most. */
const MOST_EXPIRIES = 64
/** For how long a reservation can be settled after its deadline. */
const TEN_MINUTES = 600_000n
const NOTHING_CHARGED: HoldEnd = { tokens: 0, charged: new Map(), isReset: false }

/**
 * The bucket of one key, implemented from docs/api.md and docs/consistency.md in exact rational numbers. Tests compare the
 * service's integer arithmetic with it. It shares no arithmetic with the service.
 */
export class BucketOracle {
  /** When it was last spent from. */
  #at: bigint | undefined
  #spendings: readonly Spending[] = []
  #holds: readonly HoldMade[] = []
  readonly #ends = new Map<string, HoldEnd>()

  /** When the bucket is full and forgotten; `undefined` if it already is. */
  get forgottenAtMs(): bigint | undefined {
    if (this.#at === undefined || this.#spendings.length + this.#holds.length === 0) return undefined
    const full = [this.#at, ...this.#spendings.map(({ fullAt }) => fullAt)]
    if (this.#holds.length === 0) return latest(full)
    const lastDeadline = latest(this.#holds.map(({ deadline }) => deadline))
    const from = latest([this.#at, lastDeadline])
    const charged = this.#spendings.flatMap(({ chargedAs }) => (chargedAs ? [fullAfterMost(chargedAs, from)] : []))
    return latest([lastDeadline + TEN_MINUTES, ...full, ...charged])
  }

  /** Whether a reservation holds something. */
  holds(id: string, nowMs: number): boolean {
    this.#lookAtClock(nowMs)
    return this.#holds.some(hold => hold.id === id)
  }

  /** How a reservation ended that holds nothing any more, and was not settled. */
  endOf(id: string): HoldEnd {
    return this.#ends.get(id) ?? never()
  }

  /** Whether it was last spent from at this time or later. */
  isSpentSince(timeMs: number): boolean {
    return this.#at !== undefined && this.#at >= BigInt(timeMs)
  }

  check(limits: readonly Limit[], tokens: number, nowMs: number): Answer {
    const moment = this.#lookAtClock(nowMs)
    const found = this.#find(limits, moment)
    const wanted = { tokens, reserves: false }
    if (!enforced(found).every(state => has(state, wanted))) return denial(found, wanted, moment)
    // A shadow limit that would deny is left as it is.
    const at = moment.now + moment.pause
    const after = found.map(state => (has(state, wanted) ? this.#plus(state, tokens, at) : state))
    if (tokens > 0) this.#spend(after, at)
    return permission(found, after, wanted, moment)
  }

  /** A check by a policy with overdraft: it is charged whether or not it is allowed. */
  overdraw(limits: readonly Limit[], tokens: number, nowMs: number): Answer {
    const moment = this.#lookAtClock(nowMs)
    const found = this.#find(limits, moment)
    const wanted = { tokens, reserves: false }
    const at = moment.now + moment.pause
    const after = found.map(state => this.#overdrawn(state, tokens, at))
    this.#spend(after, at)
    if (enforced(found).every(state => has(state, wanted))) return permission(found, after, wanted, moment)
    const { limits: answers, ...denied } = denial(after, wanted, moment)
    return {
      ...denied,
      limits: answers.map((answer, i) => ({ ...answer, allows: has(found[i] ?? never(), wanted) })),
    }
  }

  /** Tokens are given back, as many as are spent at most. */
  giveBack(limits: readonly Limit[], tokens: number, nowMs: number): Answer {
    const moment = this.#lookAtClock(nowMs)
    const found = this.#find(limits, moment)
    const at = moment.now + moment.pause
    const rest = ({ spent }: Found) => spent.minus(new Fraction(tokens)).atLeast(ZERO)
    const after = found.map(state => foundOf(state.limit, [rest(state)], at, state.held))
    if (found.some(({ spent }) => ZERO.isBelow(spent))) this.#spend(after, at)
    this.#forgetWhenFull(moment.now)
    return {
      allowed: true,
      shadowed: false,
      binding: tightest(binding(after, { tokens, reserves: false })),
      limits: after.map(state => limitAnswer(state, 0n, moment)),
    }
  }

  /** What a check would get, if it spends and holds nothing. */
  look(limits: readonly Limit[], wanted: Wanted, nowMs: number): Answer {
    const moment = this.#lookAtClock(nowMs)
    const found = this.#find(limits, moment)
    const isAllowed = enforced(found).every(state => has(state, wanted))
    return isAllowed ? permission(found, found, wanted, moment) : denial(found, wanted, moment)
  }

  /** What a repeated reservation gets: it was allowed, whatever is left now. */
  show(limits: readonly Limit[], nowMs: number): Answer {
    const moment = this.#lookAtClock(nowMs)
    const found = this.#find(limits, moment)
    const answers = found.map(state => limitAnswer(state, 0n, moment))
    return { allowed: true, shadowed: false, binding: tightest(enforced(found)), limits: answers }
  }

  /** Makes a reservation that was allowed. */
  hold(limits: readonly Limit[], hold: Omit<HoldMade, 'deadline'> & { readonly ttlMs: number }, nowMs: number): Answer {
    const moment = this.#lookAtClock(nowMs)
    const found = this.#find(limits, moment)
    const { ttlMs, ...made } = hold
    this.#holds = [...this.#holds, { ...made, deadline: moment.now + BigInt(ttlMs) }]
    this.#ends.delete(hold.id)
    const spendsNothing = found.every(({ limit }) => limit.kind === 'concurrency')
    if (this.#holds.length === 1 && spendsNothing) {
      this.#spendings = this.#slowestWithout([], moment.now + moment.pause)
    }
    this.#spend(found, moment.now + moment.pause)
    return permission(found, this.#find(limits, moment), { tokens: hold.tokens, reserves: true }, moment)
  }

  /**
   * Settles tokens of a reservation, whether or not it still holds something.
   * @param end how it ended before; each limit is charged what exceeds that
   * @returns the whole tokens that were charged in all, the fewest over the limits
   */
  settle(limits: readonly Limit[], id: string, tokens: number, nowMs: number, end = NOTHING_CHARGED): number {
    const moment = this.#lookAtClock(nowMs)
    const isHeld = this.#holds.some(hold => hold.id === id)
    const at = moment.now + moment.pause
    let charged: readonly number[] = []
    if (tokens > leastCharged(end)) {
      if (!isHeld) this.#spend(this.#find(limits, moment), at)
      const inForce = (limit: string) => limits.find(other => idOf(other) === limit && other.kind !== 'concurrency')
      const more = this.#charge(
        limit => Math.max(0, tokens - chargedOf(limit, end)),
        at,
        spending =>
          isHeld
            ? spending.chargedAs && (inForce(spending.limit) ?? spending.chargedAs)
            : (inForce(spending.limit) ?? spending.chargedAs),
      )
      charged = [...more].map(([limit, whole]) => chargedOf(limit, end) + whole)
    }
    this.#end(id)
    return charged.length === 0 ? leastCharged(end) : Math.min(...charged)
  }

  /** Moves the deadline of a reservation. */
  extend(id: string, ttlMs: number, nowMs: number): void {
    const { now } = this.#lookAtClock(nowMs)
    this.#holds = this.#holds.map(hold => (hold.id === id ? { ...hold, deadline: now + BigInt(ttlMs) } : hold))
  }

  /** An operator fills the bucket. What has expired before was charged. */
  reset(nowMs: number): void {
    const { now } = this.#lookAtClock(nowMs)
    this.#expire(now, this.#holds.length)
    for (const { id } of this.#holds) this.#ends.set(id, { ...NOTHING_CHARGED, isReset: true })
    this.#forget()
  }

  #forget(): void {
    this.#at = undefined
    this.#spendings = []
    this.#holds = []
  }

  #forgetWhenFull(now: bigint): void {
    const forgottenAt = this.forgottenAtMs
    if (forgottenAt !== undefined && now < forgottenAt) return
    const lastDeadline = latest(this.#holds.map(({ deadline }) => deadline))
    if (now < lastDeadline + TEN_MINUTES) this.#expire(now, this.#holds.length)
    // Nobody can ask for the others any more, unless the clock goes back; then they count as charged in full.
    for (const { id, tokens, isCharged } of this.#holds) {
      const due = isCharged ? tokens : 0
      this.#ends.set(id, { tokens: due, charged: new Map([['', due]]), isReset: false })
    }
    this.#forget()
  }

  #lookAtClock(nowMs: number): Moment {
    const now = BigInt(nowMs)
    this.#forgetWhenFull(now)
    if (this.#at !== undefined && this.#at - now > LARGEST_PAUSE_MS) this.#setBack(now)
    this.#expire(now, MOST_EXPIRIES)
    this.#forgetWhenFull(now)
    return { now, pause: this.#at !== undefined && this.#at > now ? this.#at - now : 0n }
  }

  #setBack(now: bigint): void {
    this.#at = now
    this.#spendings = this.#spendings.map(spending => {
      const ahead = spending.at > now ? spending.at - now : 0n
      return { ...spending, at: spending.at - ahead, fullAt: spending.fullAt - ahead }
    })
  }

  #expire(now: bigint, most: number): void {
    const expired = this.#holds
      .filter(({ deadline }) => deadline <= now)
      .toSorted((a, b) => Number(a.deadline - b.deadline) || (a.id < b.id ? -1 : 1))
    for (const { id, tokens, isCharged, deadline } of expired.slice(0, most)) {
      const at = latest([deadline, this.#at ?? 0n])
      const due = isCharged ? tokens : 0
      this.#ends.set(id, {
        tokens: due,
        charged: due > 0 ? this.#chargeDue(due, deadline, at) : new Map(),
        isReset: false,
      })
      this.#end(id)
    }
  }

  /** A quota was charged in the period of the deadline, which may be over. */
  #chargeDue(due: number, deadline: bigint, at: bigint): ReadonlyMap<string, number> {
    const isOver = (limit: Limit | undefined) =>
      limit?.kind === 'quota' && deadline < BigInt(naivePeriod(limit, Number(at)).start)
    const over = this.#spendings.flatMap(({ limit, chargedAs }) => (isOver(chargedAs) ? [[limit, due] as const] : []))
    const charged = this.#charge(
      () => due,
      at,
      ({ chargedAs }) => (isOver(chargedAs) ? undefined : chargedAs),
    )
    return new Map([...charged, ...over])
  }

  #end(id: string): void {
    this.#holds = this.#holds.filter(hold => hold.id !== id)
    if (this.#holds.length > 0) return
    const isAlone = this.#spendings.every(({ isOwn }) => isOwn)
    this.#spendings = this.#spendings.map(({ chargedAs: _, knownAs, ...spending }) =>
      knownAs && !isAlone ? { ...spending, knownAs } : spending,
    )
  }

  /** Returns the whole tokens that were charged, by limit. */
  #charge(
    tokensOf: (limit: string) => number,
    at: bigint,
    limitOf: (spending: Spending) => Limit | undefined,
  ): ReadonlyMap<string, number> {
    const charges = new Map<string, number>()
    const after = this.#spendings.map(spending => {
      const limit = limitOf(spending)
      if (limit === undefined) return spending
      const before = foundOf(limit, countedIn(spending, limit, at), at, [])
      const charged = this.#plus(before, tokensOf(spending.limit), at)
      charges.set(spending.limit, Number(charged.spent.minus(before.spent).floor()))
      const after = { ...this.#spendingOf(charged, at), isOwn: spending.isOwn, fullAt: fullAtOf(charged, at) }
      if (spending.knownAs === undefined) return after
      return { ...after, knownAs: limit === spending.chargedAs ? spending.knownAs : knownAt(limit, at) }
    })
    if (charges.size === 0) return charges
    const own = latest(after.flatMap(({ isOwn, fullAt }) => (isOwn ? [fullAt] : [])))
    this.#at = at
    this.#spendings = after.map(spending => (spending.isOwn ? { ...spending, fullAt: own } : spending))
    return charges
  }

  #find(limits: readonly Limit[], { now, pause }: Moment): readonly Found[] {
    const at = now + pause
    return limits.map(limit => {
      const spending = this.#spendings.find(({ limit: id, fullAt }) => id === idOf(limit) && at < fullAt)
      return foundOf(limit, spending ? countedIn(spending, limit, at) : [], at, this.#holds)
    })
  }

  /** What is found once tokens are charged, up to a debt of one capacity. */
  #plus(state: Found, tokens: number, at: bigint): Found {
    const { limit, held } = state
    if (limit.kind === 'concurrency') return state
    if (limit.kind === 'quota') return foundOf(limit, [...state.tokens, new Fraction(tokens)], at, held)
    return foundOf(limit, [state.spent.plus(new Fraction(tokens)).atMost(mostOf(limit))], at, held)
  }

  /** The same for a check, also of a quota. What was owed before stays. */
  #overdrawn(state: Found, tokens: number, at: bigint): Found {
    const { limit, spent, held } = state
    if (limit.kind !== 'quota') return this.#plus(state, tokens, at)
    const most = new Fraction(2 * limit.capacity)
    return foundOf(limit, [spent.plus(new Fraction(tokens)).atMost(most).atLeast(spent)], at, held)
  }

  /** Records the spending of the policy's limits, and keeps that of other limits unchanged. */
  #spend(after: readonly Found[], at: bigint): void {
    const spent = after.filter(({ limit }) => limit.kind !== 'concurrency')
    if (spent.length === 0) {
      if (this.#holds.length > 0) this.#at ??= at
      return
    }
    const fullAt = latest(spent.map(state => fullAtOf(state, at)))
    const own = spent.map(state => ({ ...this.#spendingOf(state, at), fullAt }))
    const slowest = this.#slowestWithout(
      own.map(({ limit }) => limit),
      at,
    )
    const isKnown = this.#holds.length > 0 || slowest.length > 0
    this.#at = at
    this.#spendings = [
      ...own.map((spending, i) =>
        isKnown ? { ...spending, knownAs: knownAt(spent[i]?.limit ?? never(), at) } : spending,
      ),
      ...slowest,
    ]
  }

  /** What is kept of other limits than these, once a policy that has these spends or holds. */
  #slowestWithout(limits: readonly string[], at: bigint): readonly Spending[] {
    return this.#spendings
      .map((spending, _i, all) => (spending.isOwn ? leftBy(spending, all) : spending))
      .filter(({ limit }) => !limits.includes(limit))
      .filter(({ fullAt, chargedAs }) => at < fullAt || chargedAs !== undefined)
      .toSorted((a, b) => Number(b.fullAt - a.fullAt) || Number(b.at - a.at) || a.order - b.order)
      .filter((spending, i, all) => {
        const slower = all.slice(0, i).filter(other => classOf(other) === classOf(spending))
        return slower.length < MOST_OTHERS[classOf(spending)]
      })
  }

  #spendingOf(state: Found, at: bigint): Spending {
    const { limit, tokens, spent } = state
    const isQuota = limit.kind === 'quota'
    const own = isQuota ? spent : spent.atMost(new Fraction(limit.capacity))
    return {
      limit: idOf(limit),
      tokens: isQuota ? tokens : [own],
      debt: spent.minus(own),
      order: compileLimits([limit])[0]?.id ?? 0,
      grain: grainOf(limit),
      at,
      fullAt: fullAtOf(state, at),
      isOwn: true,
      ...(this.#holds.length > 0 && { chargedAs: limit }),
    }
  }
}

function classOf({ chargedAs, isEstimated }: Spending): keyof typeof MOST_OTHERS {
  if (chargedAs !== undefined) return 'charged'
  return isEstimated ? 'estimated' : 'other'
}

function knownAt(limit: Limit, at: bigint): Known {
  return { limit, start: limit.kind === 'quota' ? BigInt(naivePeriod(limit, Number(at)).start) : 0n }
}

/** A spending of the policy that spent last, once another one does. @param all what the bucket has */
function leftBy({ knownAs, ...spending }: Spending, all: readonly Spending[]): Spending {
  const other = { ...spending, isOwn: false }
  const { tokens, debt, at, fullAt } = spending
  const isEstimated = all.filter(({ isOwn }) => isOwn).length > 1
  if (knownAs === undefined) return { ...other, isEstimated }
  const { limit, start } = knownAs
  // The clock went back to an earlier period.
  if (limit.kind === 'quota' && at < start) return { ...other, isEstimated }
  const own = fullAtOf(foundOf(limit, [...tokens, debt], at, []), at)
  return { ...other, fullAt: own < fullAt ? own : fullAt }
}

/** What counts of what was spent from a limit. */
function countedIn(spending: Spending, limit: Limit, at: bigint): readonly Fraction[] {
  if (at >= spending.fullAt || limit.kind === 'concurrency') return []
  if (limit.kind === 'quota') return spending.at < naivePeriod(limit, Number(at)).start ? [] : spending.tokens
  const kept = (tokens: Fraction) => {
    const whole = spending.grain === grainOf(limit) ? tokens : new Fraction(tokens.ceil())
    return whole.atMost(new Fraction(limit.capacity))
  }
  const total = kept(sumOf(spending.tokens)).plus(kept(spending.debt))
  const counted = total.atMost(new Fraction(MOST_UNITS, grainOf(limit)))
  return [counted.minus(rateOf(limit).times(new Fraction(at - spending.at))).atLeast(ZERO)]
}

function idOf({ kind, name }: Limit): string {
  return `${kind ?? 'bucket'} ${name}`
}

function sumOf(tokens: readonly Fraction[]): Fraction {
  return tokens.reduce((sum, more) => sum.plus(more), ZERO)
}

function foundOf(limit: Limit, tokens: readonly Fraction[], at: bigint, held: readonly HoldMade[]): Found {
  const periodEnd = limit.kind === 'quota' ? BigInt(naivePeriod(limit, Number(at)).end) : 0n
  return { limit, tokens, spent: sumOf(tokens), periodEnd, held }
}

function latest(times: readonly bigint[]): bigint {
  return times.reduce((a, b) => (b > a ? b : a), 0n)
}

/** The time of a check, and how much later the bucket was last spent from. */
interface Moment {
  readonly now: bigint
  readonly pause: bigint
}

function denial(found: readonly Found[], wanted: Wanted, moment: Moment): Answer {
  const answerOf = (state: Found) => limitAnswer(state, waitFor(state, wanted, moment), moment)
  const wait = ({ retryAfterMs }: LimitAnswer) => retryAfterMs ?? Number.POSITIVE_INFINITY
  const longest = binding(found, wanted)
    .map(answerOf)
    .reduce((a, b) => (wait(b) > wait(a) ? b : a))
  return { allowed: false, shadowed: false, binding: longest.name, limits: found.map(answerOf) }
}

function permission(before: readonly Found[], after: readonly Found[], wanted: Wanted, moment: Moment): Answer {
  const waits = before.map((state, i) => (has(state, wanted) ? 0n : waitFor(after[i] ?? state, wanted, moment)))
  return {
    allowed: true,
    shadowed: waits.some(wait => wait !== 0n),
    binding: tightest(binding(after, wanted)),
    limits: after.map((state, i) => limitAnswer(state, waits[i] ?? null, moment)),
  }
}

/** Without shadow limits. */
function enforced(found: readonly Found[]): readonly Found[] {
  return found.filter(({ limit }) => limit.shadow === undefined)
}

/** Those whose values the response may show. */
function binding(found: readonly Found[], { reserves }: Wanted): readonly Found[] {
  const candidates = enforced(found)
  const spent = candidates.filter(({ limit }) => limit.kind !== 'concurrency')
  return reserves || spent.length === 0 ? candidates : spent
}

function limitAnswer(state: Found, wait: bigint | null, moment: Moment): LimitAnswer {
  const left = leftOf(state)
  const remaining = Math.max(0, Number(left.floor()))
  const isSpent = ZERO.isBelow(state.spent)
  const isFull = !left.isBelow(new Fraction(state.limit.capacity))
  const refill = isSpent ? timeUntilBack(state, state.spent, moment) : 0n
  return {
    name: state.limit.name,
    allows: wait === 0n,
    remaining,
    retryAfterMs: wait === null ? null : Number(wait),
    resetAfterMs: Number(latest([refill, ...expiriesOf(state, moment)])),
    nextTokenAfterMs: isFull ? 0 : Number(timeUntilLeft(state, new Fraction(remaining + 1), moment)),
  }
}

/** How long each reservation lasts, in ms: at least 1, also for one that has expired and was not settled yet. */
function expiriesOf({ held }: Found, { now }: Moment): readonly bigint[] {
  return held.map(({ deadline }) => latest([1n, deadline - now]))
}

/** Time until the limit allows the check, in ms; `null` means never. */
function waitFor(state: Found, wanted: Wanted, moment: Moment): bigint | null {
  if (has(state, wanted)) return 0n
  const { limit, spent } = state
  if (limit.kind !== 'concurrency' && wanted.tokens > limit.capacity) return null
  if (wantedOf(state, wanted) > 0) return timeUntilLeft(state, new Fraction(wantedOf(state, wanted)), moment)
  return timeUntilBack(state, spent.minus(new Fraction(limit.capacity)), moment)
}

/** By refill if that is enough, otherwise until a reservation expires. */
function timeUntilLeft(state: Found, tokens: Fraction, moment: Moment): bigint {
  const missing = tokens.minus(leftOf(state))
  if (!state.spent.isBelow(missing)) return timeUntilBack(state, missing, moment)
  return expiriesOf(state, moment).reduce((a, b) => (b < a ? b : a))
}

function timeUntilBack({ limit, periodEnd }: Found, tokens: Fraction, { now, pause }: Moment): bigint {
  if (limit.kind === 'concurrency') return 0n
  return limit.kind === 'quota' ? periodEnd - now : tokens.over(rateOf(limit)).ceil() + pause
}

/** When nothing is spent any more, also if the clock then goes back by as much as may only pause it. */
function fullAtOf({ limit, spent, periodEnd }: Found, at: bigint): bigint {
  if (limit.kind === 'concurrency') return at
  return limit.kind === 'quota' ? periodEnd + LARGEST_PAUSE_MS : at + spent.over(rateOf(limit)).ceil()
}

/** When a limit is full again after all that can be charged was charged at a time. */
function fullAfterMost(limit: Limit, at: bigint): bigint {
  if (limit.kind === 'quota') return BigInt(naivePeriod(limit, Number(at)).end) + LARGEST_PAUSE_MS
  if (limit.kind === 'concurrency') return at
  return at + mostOf(limit).over(rateOf(limit)).ceil()
}

/** The most that can be spent of a token bucket, with its debt. */
function mostOf(limit: TokenBucketLimit): Fraction {
  return new Fraction(2 * limit.capacity).atMost(new Fraction(MOST_UNITS, grainOf(limit)))
}

function tightest(states: readonly Found[]): string {
  const share = (state: Found) => new Fraction(Math.max(0, Number(leftOf(state).floor())), state.limit.capacity)
  return states.reduce((a, b) => (share(b).isBelow(share(a)) ? b : a)).limit.name
}

function wantedOf({ limit }: Found, { tokens, reserves }: Wanted): number {
  if (limit.kind === 'concurrency') return reserves ? 1 : 0
  return tokens
}

/** What is held does not matter to a check that asks for nothing. */
function has(state: Found, wanted: Wanted): boolean {
  const tokens = wantedOf(state, wanted)
  if (tokens > 0) return !leftOf(state).isBelow(new Fraction(tokens))
  return !new Fraction(state.limit.capacity).isBelow(state.spent)
}

function leftOf({ limit, spent, held }: Found): Fraction {
  const slots = limit.kind === 'concurrency'
  const taken = held.reduce((sum, { tokens }) => sum + (slots ? 1 : tokens), 0)
  return new Fraction(limit.capacity).minus(spent).minus(new Fraction(taken))
}

/** Tokens per millisecond. */
function rateOf(limit: TokenBucketLimit): Fraction {
  return new Fraction(limit.refillTokens, limit.refillIntervalMs)
}

/** Units per token: refillIntervalMs ÷ gcd(refillTokens, refillIntervalMs), or 1 for a quota and for reservations. */
export function grainOf(limit: Limit): bigint {
  if (limit.kind !== undefined) return 1n
  const [tokens, interval] = [BigInt(limit.refillTokens), BigInt(limit.refillIntervalMs)]
  return interval / divisorOf(tokens, interval)
}

function never(): never {
  throw new Error('every limit has an answer')
}
