import type { BucketReading } from '../domain/token-bucket.ts'
import { startDeadline } from '../lib/deadline.ts'
import type { BucketCheck, BucketStore } from './ports.ts'

/** As many as one script call may decide, so that no call keeps the store from others for long. */
const MAX_BATCH = 256

/** Calls that are under way at once. More of them only make batches smaller. */
const MAX_IN_FLIGHT = 2

/** A check on its way to its answer. */
export interface WaitingCheck extends BucketCheck {
  /** When it came, by `performance.now()`. */
  readonly startMs: number
  isAnswered: boolean
}

/** Receives the reading of a check, or nothing when the store could not be asked, and when that was, by `performance.now()`. */
export type Answered<Check> = (check: Check, reading: BucketReading | undefined, nowMs: number) => void

/** Where checks wait for the store. */
export interface CheckQueue<Check> {
  /** How many wait for a call. */
  readonly waiting: number
  /** Asks the store with the next call. */
  enqueue(check: Check): void
}

export type OpenQueue = <Check extends WaitingCheck>(answered: Answered<Check>) => CheckQueue<Check>

/**
 * Makes one call of all checks that arrive in one turn of the event loop. While two calls are under way, checks gather for the
 * next, so batches grow with load and a lone check waits for nothing. Calls are sent in the order in which checks came.
 */
export class CheckBatcher<Check extends WaitingCheck> implements CheckQueue<Check> {
  readonly #store: BucketStore
  readonly #timeoutMs: number
  readonly #answered: Answered<Check>
  /** In the order in which checks came; all but the last are full. */
  readonly #batches: Check[][] = []
  readonly #inFlight = new Set<readonly Check[]>()
  #waiting = 0
  #scheduled = false
  /** When checks that waited too long are looked for, by `performance.now()`. */
  #nextLookMs = Number.POSITIVE_INFINITY
  #look: NodeJS.Timeout | undefined

  /** @param timeoutMs how long a check may wait for its answer; then it gets none */
  constructor(store: BucketStore, timeoutMs: number, answered: Answered<Check>) {
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#answered = answered
  }

  get waiting(): number {
    return this.#waiting
  }

  enqueue(check: Check): void {
    this.#add(check)
    this.#schedule()
    if (check.startMs + this.#timeoutMs < this.#nextLookMs) this.#lookAt(check.startMs + this.#timeoutMs)
  }

  #add(check: Check): void {
    const last = this.#batches.at(-1)
    if (last === undefined || last.length === MAX_BATCH) this.#batches.push([check])
    else last.push(check)
    this.#waiting++
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight.size >= MAX_IN_FLIGHT || this.#waiting === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#sendWhatMay()
    })
  }

  #sendWhatMay(): void {
    while (this.#inFlight.size < MAX_IN_FLIGHT) {
      const batch = this.#batches.shift()
      if (batch === undefined) return
      this.#waiting -= batch.length
      void this.#send(batch)
    }
  }

  async #send(batch: readonly Check[]): Promise<void> {
    this.#inFlight.add(batch)
    const readings = await this.#ask(batch)
    this.#inFlight.delete(batch)
    this.#schedule()
    const nowMs = performance.now()
    for (let i = 0; i < batch.length; i++) this.#answer(batch[i] as Check, readings[i], nowMs)
  }

  #answer(check: Check, reading: BucketReading | undefined, nowMs: number): void {
    if (check.isAnswered) return
    check.isAnswered = true
    this.#answered(check, reading, nowMs)
  }

  /** One timer for all checks, as one for each would cost more than what it guards. */
  #lookAt(ms: number): void {
    clearTimeout(this.#look)
    this.#nextLookMs = ms
    this.#look = startDeadline(ms - performance.now(), () => this.#giveUpLate())
  }

  /** Answers those that waited as long as they may, and looks again when the oldest of the others will have. */
  #giveUpLate(): void {
    const nowMs = performance.now()
    const latestMs = nowMs - this.#timeoutMs
    const waiting = this.#batches.splice(0).flat()
    const unanswered = [...this.#inFlight].flat().concat(waiting)
    const inTime = unanswered.filter(({ isAnswered, startMs }) => !isAnswered && startMs > latestMs)
    const oldestMs = inTime.reduce((oldest, { startMs }) => Math.min(oldest, startMs), Number.POSITIVE_INFINITY)
    this.#nextLookMs = Number.POSITIVE_INFINITY
    if (inTime.length > 0) this.#lookAt(oldestMs + this.#timeoutMs)

    this.#waiting = 0
    for (const check of waiting) if (check.startMs > latestMs) this.#add(check)
    for (const check of unanswered) if (check.startMs <= latestMs) this.#answer(check, undefined, nowMs)
  }

  async #ask(batch: readonly Check[]): Promise<readonly (BucketReading | undefined)[]> {
    try {
      return await this.#store.check(batch)
    } catch {
      return []
    }
  }
}
