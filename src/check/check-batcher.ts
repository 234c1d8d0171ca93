import type { BucketReading } from '../domain/reading.ts'
import { startDeadline } from '../lib/deadline.ts'
import { Gathering } from './gathering.ts'
import type { CheckQueue, OnReading, PendingCheck } from './pending-check.ts'
import type { BucketCheck, BucketStore } from './ports.ts'
import { WaitingChecks } from './waiting-checks.ts'

/** Checks in one call. Bounds how long one script call keeps the store from others. */
const MAX_BATCH = 256

/** Calls in flight. More would only make batches smaller. */
const MAX_IN_FLIGHT = 2

/** Checks that are worth a second call in flight. Fewer wait for the reply to the first, since a call costs more than they do. */
const WORTH_A_SECOND_CALL = 16

/** How long checks gather for a call at most, in ms: the shortest time of a timer. */
const MAX_GATHER_MS = 1

/**
 * Sends all checks that arrive in one turn of the event loop as one call of the store. A lone check waits for nothing; those of a
 * busy process gather for at most a millisecond, see `Gathering`. While a call is in flight, checks gather for the next one, which
 * follows once there are many or the first is answered: batches grow with load. Calls keep the order of the checks.
 *
 * Checks that came with many others wait apart, and while both kinds wait, their calls alternate. So a caller that sends a thousand
 * checks at once delays the others by one call, not by four.
 *
 * The deadline here is for a check's whole wait, queue included; the store has one of its own for each call.
 */
export class CheckBatcher implements CheckQueue {
  readonly #store: BucketStore
  readonly #timeoutMs: number
  readonly #onReading: OnReading
  readonly #few = new WaitingChecks(MAX_BATCH)
  readonly #many = new WaitingChecks(MAX_BATCH)
  /** Which of the two the last call was for. */
  #last = this.#many
  readonly #inFlight = new Set<readonly PendingCheck[]>()
  readonly #gathering = new Gathering()
  #isSendScheduled = false
  #gatherTimer: NodeJS.Timeout | undefined
  /** When the oldest check times out, by `performance.now()`. */
  #nextExpiryMs = Number.POSITIVE_INFINITY
  #expiryTimer: NodeJS.Timeout | undefined

  /** @param timeoutMs how long a check waits for its reading; then it gets `undefined` */
  constructor(store: BucketStore, timeoutMs: number, onReading: OnReading) {
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#onReading = onReading
  }

  get waiting(): number {
    return this.#few.count + this.#many.count
  }

  enqueue(check: PendingCheck): void {
    this.#add(check)
    this.#gathering.arrived(check.startMs)
    this.#scheduleSend()
    if (check.startMs + this.#timeoutMs < this.#nextExpiryMs) this.#scheduleExpiry(check.startMs + this.#timeoutMs)
  }

  #add(check: PendingCheck): void {
    const checks = check.isOfMany ? this.#many : this.#few
    checks.add(check)
  }

  #scheduleSend(): void {
    if (this.#isSendScheduled) return
    if (this.#isCallDue()) this.#sendSoon()
    else if (this.#inFlight.size === 0 && this.waiting > 0) this.#gather()
  }

  #isCallDue(): boolean {
    if (this.#inFlight.size === 0) return this.waiting >= this.#gathering.worthACall
    return this.#inFlight.size < MAX_IN_FLIGHT && this.waiting >= WORTH_A_SECOND_CALL
  }

  /** At the end of this turn of the event loop. */
  #sendSoon(): void {
    this.#isSendScheduled = true
    setImmediate(() => {
      this.#isSendScheduled = false
      this.#endGathering()
      while (this.#isCallDue()) void this.#send(this.#takeBatch())
      // A call may be worth more checks by now than are waiting: those gather.
      this.#scheduleSend()
    })
  }

  #gather(): void {
    this.#gatherTimer ??= setTimeout(() => {
      this.#gatherTimer = undefined
      this.#gathering.ended(performance.now())
      if (this.#inFlight.size === 0 && this.waiting > 0) void this.#send(this.#takeBatch())
    }, MAX_GATHER_MS)
  }

  #endGathering(): void {
    if (this.#gatherTimer === undefined) return
    clearTimeout(this.#gatherTimer)
    this.#gatherTimer = undefined
    this.#gathering.succeeded()
  }

  #takeBatch(): readonly PendingCheck[] {
    const [next, other] = this.#last === this.#few ? [this.#many, this.#few] : [this.#few, this.#many]
    this.#last = next.count > 0 ? next : other
    return this.#last.take()
  }

  async #send(batch: readonly PendingCheck[]): Promise<void> {
    this.#inFlight.add(batch)
    const readings = await this.#ask(batch)
    this.#inFlight.delete(batch)
    this.#scheduleSend()
    const nowMs = performance.now()
    for (let i = 0; i < batch.length; i++) this.#deliver(batch[i] as PendingCheck, readings[i], nowMs)
  }

  #deliver(check: PendingCheck, reading: BucketReading | undefined, nowMs: number): void {
    if (check.hasReading) return
    check.hasReading = true
    this.#onReading(check, reading, nowMs)
  }

  /** One timer serves all checks: one for each would cost more than the call that it guards. */
  #scheduleExpiry(atMs: number): void {
    clearTimeout(this.#expiryTimer)
    this.#nextExpiryMs = atMs
    this.#expiryTimer = startDeadline(atMs - performance.now(), () => this.#expireOldChecks())
  }

  /** Gives up on checks that have waited too long, and schedules the next look for the oldest of the others. */
  #expireOldChecks(): void {
    const nowMs = performance.now()
    const latestMs = nowMs - this.#timeoutMs
    const waiting = [...this.#few.takeAll(), ...this.#many.takeAll()]
    const unanswered = [...this.#inFlight].flat().concat(waiting)
    const inTime = unanswered.filter(({ hasReading, startMs }) => !hasReading && startMs > latestMs)
    const oldestMs = inTime.reduce((oldest, { startMs }) => Math.min(oldest, startMs), Number.POSITIVE_INFINITY)
    this.#nextExpiryMs = Number.POSITIVE_INFINITY
    if (inTime.length > 0) this.#scheduleExpiry(oldestMs + this.#timeoutMs)

    for (const check of waiting) if (check.startMs > latestMs) this.#add(check)
    for (const check of unanswered) if (check.startMs <= latestMs) this.#deliver(check, undefined, nowMs)
  }

  async #ask(batch: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]> {
    try {
      return await this.#store.check(batch)
    } catch {
      return []
    }
  }
}
