import type { BucketReading } from '../domain/token-bucket.ts'
import { startDeadline } from '../lib/deadline.ts'
import type { CheckQueue, OnReading, PendingCheck } from './pending-check.ts'
import type { BucketCheck, BucketStore } from './ports.ts'

/** Checks in one call. Bounds how long one script call keeps the store from others. */
const MAX_BATCH = 256

/** Calls in flight. More would only make batches smaller. */
const MAX_IN_FLIGHT = 2

/**
 * Sends all checks that arrive in one turn of the event loop as one call of the store. While two calls are in flight, checks
 * gather for the next one: batches grow with load, and a single check waits for nothing. Calls keep the order of the checks.
 *
 * The deadline here is for a check's whole wait, queue included; the store has one of its own for each call.
 */
export class CheckBatcher implements CheckQueue {
  readonly #store: BucketStore
  readonly #timeoutMs: number
  readonly #onReading: OnReading
  /** In order of arrival; all but the last are full. */
  readonly #batches: PendingCheck[][] = []
  readonly #inFlight = new Set<readonly PendingCheck[]>()
  #waiting = 0
  #isSendScheduled = false
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
    return this.#waiting
  }

  enqueue(check: PendingCheck): void {
    this.#append(check)
    this.#scheduleSend()
    if (check.startMs + this.#timeoutMs < this.#nextExpiryMs) this.#scheduleExpiry(check.startMs + this.#timeoutMs)
  }

  #append(check: PendingCheck): void {
    const last = this.#batches.at(-1)
    if (last === undefined || last.length === MAX_BATCH) this.#batches.push([check])
    else last.push(check)
    this.#waiting++
  }

  #scheduleSend(): void {
    if (this.#isSendScheduled || this.#inFlight.size >= MAX_IN_FLIGHT || this.#waiting === 0) return
    this.#isSendScheduled = true
    setImmediate(() => {
      this.#isSendScheduled = false
      this.#sendBatches()
    })
  }

  #sendBatches(): void {
    while (this.#inFlight.size < MAX_IN_FLIGHT) {
      const batch = this.#batches.shift()
      if (batch === undefined) return
      this.#waiting -= batch.length
      void this.#send(batch)
    }
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
    const waiting = this.#batches.splice(0).flat()
    const unanswered = [...this.#inFlight].flat().concat(waiting)
    const inTime = unanswered.filter(({ hasReading, startMs }) => !hasReading && startMs > latestMs)
    const oldestMs = inTime.reduce((oldest, { startMs }) => Math.min(oldest, startMs), Number.POSITIVE_INFINITY)
    this.#nextExpiryMs = Number.POSITIVE_INFINITY
    if (inTime.length > 0) this.#scheduleExpiry(oldestMs + this.#timeoutMs)

    this.#waiting = 0
    for (const check of waiting) if (check.startMs > latestMs) this.#append(check)
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
