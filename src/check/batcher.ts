import { startDeadline } from '../lib/deadline.ts'
import { FewItems } from '../lib/few-items.ts'
import { AlternatingItems, type Weighed } from './alternating-items.ts'
import { Gathering } from './gathering.ts'
import type { Rounds } from './rounds.ts'

/** Calls in flight. More would only make batches smaller. */
const MAX_IN_FLIGHT = 2

/** Items that are worth a second call in flight. Fewer wait for the reply to the first, since a call costs more than they do. */
const WORTH_A_SECOND_CALL = 16

/** How long items gather for a call at most, in ms: the shortest time of a timer. */
const MAX_GATHER_MS = 1

/** How long one turn of the event loop answers items that were given up, in ms. Each of them may be decided in this process then. */
const ANSWERING_MS = 4

/** The weight of the items that are answered before the clock is read again, and before those of the other kind. */
const ANSWERED_TOGETHER = 16

/** What waits for the reply of the store: a check, a group of checks, or a call on a reservation. */
export interface Batched extends Weighed {
  /** Arrival, by `performance.now()`. */
  readonly startMs: number
  /** When the wait for its reply is given up at the latest, by `performance.now()`. Default: after the timeout. */
  readonly deadlineMs?: number
  /** Its reply was delivered, or the wait for it given up. */
  isAnswered: boolean
}

export interface BatcherOptions<Item extends Batched, Reply> {
  /** Asks the store. Returns one reply for each item; `undefined`, or a rejection, where the store is unavailable. */
  call(items: readonly Item[]): Promise<readonly (Reply | undefined)[]>
  /** How long an item waits for its reply, in ms; then it gets `undefined`. */
  readonly timeoutMs: number
  /** The weight of the items in one call. Bounds how long one script call keeps the store from others. */
  readonly maxBatch: number
  /** In which the calls to all shards of a store go out. Absent if there is one. */
  readonly rounds?: Rounds | undefined
  /** @param nowMs by `performance.now()` */
  onReply(item: Item, reply: Reply | undefined, nowMs: number): void
}

/**
 * Sends all items that arrive in one turn of the event loop as one call of the store. A lone item waits for nothing; those of a
 * busy process gather for at most a millisecond, see `Gathering`. While a call is in flight, items gather for the next one, which
 * follows once there are many or the first is answered: batches grow with load. Calls keep the order of the items.
 *
 * Items that came with many others wait apart, and while both kinds wait, their calls alternate. So a caller that sends a thousand
 * checks at once delays the others by one call, not by four.
 *
 * The deadline here is for an item's whole wait, queue included: the timeout, or the item's own deadline if that is sooner. The store has
 * one of its own for each call.
 */
export class Batcher<Item extends Batched, Reply> {
  readonly #options: BatcherOptions<Item, Reply>
  readonly #waiting: AlternatingItems<Item>
  /** Those whose wait is given up. */
  readonly #givenUp = new AlternatingItems<Item>(ANSWERED_TOGETHER)
  readonly #inFlight = new FewItems<readonly Item[]>()
  readonly #gathering = new Gathering()
  #isSendScheduled = false
  #gatherTimer: NodeJS.Timeout | undefined
  /** When the first item times out, by `performance.now()`. */
  #nextExpiryMs = Number.POSITIVE_INFINITY
  #expiryTimer: NodeJS.Timeout | undefined

  constructor(options: BatcherOptions<Item, Reply>) {
    this.#options = options
    this.#waiting = new AlternatingItems(options.maxBatch)
  }

  /** Items that wait to be sent, and those given up that wait for their answer. */
  get waiting(): number {
    return this.#waiting.count + this.#givenUp.count
  }

  enqueue(item: Item): void {
    this.#waiting.add(item)
    this.#gathering.arrived(item.startMs)
    this.#options.rounds?.arrived(item.startMs)
    this.#scheduleSend()
    const expiryMs = this.#expiryOf(item)
    if (expiryMs < this.#nextExpiryMs) this.#scheduleExpiry(expiryMs)
  }

  #expiryOf({ startMs, deadlineMs = Number.POSITIVE_INFINITY }: Item): number {
    return Math.min(startMs + this.#options.timeoutMs, deadlineMs)
  }

  #scheduleSend(): void {
    if (this.#isSendScheduled) return
    const isIdle = this.#inFlight.size === 0 && this.#waiting.count > 0
    if (isIdle && this.#options.rounds?.delays(this.#waiting.count, this.#sendNow)) return
    if (this.#isCallDue()) this.#sendSoon()
    else if (isIdle) this.#gather()
  }

  #isCallDue(): boolean {
    if (this.#inFlight.size === 0) return this.#waiting.count >= this.#gathering.worthACall
    return this.#inFlight.size < MAX_IN_FLIGHT && this.#waiting.count >= WORTH_A_SECOND_CALL
  }

  /** At the end of this turn of the event loop. */
  #sendSoon(): void {
    this.#isSendScheduled = true
    setImmediate(() => {
      this.#isSendScheduled = false
      this.#endGathering()
      while (this.#isCallDue()) void this.#send(this.#waiting.take())
      // A call may be worth more items by now than are waiting: those gather.
      this.#scheduleSend()
    })
  }

  #gather(): void {
    this.#gatherTimer ??= setTimeout(() => {
      this.#gatherTimer = undefined
      this.#gathering.ended(performance.now())
      this.#sendNow()
    }, MAX_GATHER_MS)
  }

  readonly #sendNow = (): void => {
    if (this.#inFlight.size === 0 && this.#waiting.count > 0) void this.#send(this.#waiting.take())
  }

  #endGathering(): void {
    if (this.#gatherTimer === undefined) return
    clearTimeout(this.#gatherTimer)
    this.#gatherTimer = undefined
    this.#gathering.succeeded()
  }

  async #send(batch: readonly Item[]): Promise<void> {
    this.#inFlight.add(batch)
    const round = this.#options.rounds?.called(batch.length)
    const replies = await this.#ask(batch)
    this.#inFlight.delete(batch)
    if (round !== undefined) this.#options.rounds?.answered(round)
    this.#scheduleSend()
    const nowMs = performance.now()
    for (let i = 0; i < batch.length; i++) this.#deliver(batch[i] as Item, replies[i], nowMs)
  }

  #deliver(item: Item, reply: Reply | undefined, nowMs: number): void {
    if (item.isAnswered) return
    item.isAnswered = true
    this.#options.onReply(item, reply, nowMs)
  }

  /** One timer serves all items: one for each would cost more than the call that it guards. */
  #scheduleExpiry(atMs: number): void {
    clearTimeout(this.#expiryTimer)
    this.#nextExpiryMs = atMs
    this.#expiryTimer = startDeadline(atMs - performance.now(), () => this.#expireOldItems())
  }

  /** Gives up on items that have waited too long, and schedules the next look for the first of the others. */
  #expireOldItems(): void {
    const nowMs = performance.now()
    const isExpired = (item: Item) => this.#expiryOf(item) <= nowMs
    const waiting = this.#waiting.takeAll()
    const unanswered = [...this.#inFlight, waiting].flat().filter(item => !item.isAnswered)
    const inTime = unanswered.filter(item => !isExpired(item))
    const firstMs = inTime.reduce((first, item) => Math.min(first, this.#expiryOf(item)), Number.POSITIVE_INFINITY)
    this.#nextExpiryMs = Number.POSITIVE_INFINITY
    if (inTime.length > 0) this.#scheduleExpiry(firstMs)

    for (const item of waiting) if (!isExpired(item)) this.#waiting.add(item)
    this.#giveUp(unanswered.filter(isExpired))
  }

  #giveUp(items: readonly Item[]): void {
    const isGivingUp = this.#givenUp.count > 0
    for (const item of items) {
      item.isAnswered = true
      this.#givenUp.add(item)
    }
    if (!isGivingUp) this.#answerGivenUp()
  }

  /** Answers some items in each turn of the event loop, so that others are served in between. */
  #answerGivenUp(): void {
    const untilMs = performance.now() + ANSWERING_MS
    while (this.#givenUp.count > 0 && performance.now() < untilMs) this.#answerSome(this.#givenUp.take())
    if (this.#givenUp.count > 0) setImmediate(() => this.#answerGivenUp())
  }

  #answerSome(items: readonly Item[]): void {
    const nowMs = performance.now()
    for (const item of items) this.#options.onReply(item, undefined, nowMs)
  }

  async #ask(batch: readonly Item[]): Promise<readonly (Reply | undefined)[]> {
    try {
      return await this.#options.call(batch)
    } catch {
      return []
    }
  }
}
