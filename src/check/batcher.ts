import type { BucketReading } from '../domain/token-bucket.ts'
import type { BucketCheck, BucketStore } from './ports.ts'

/** As many as one script call may decide, so that no call keeps the store from others for long. */
const MAX_BATCH = 256

/** Calls that are under way at once. More of them only make batches smaller. */
const MAX_IN_FLIGHT = 2

interface Waiting extends BucketCheck {
  /** Receives the reading, or nothing when the store could not be asked. */
  readonly answered: (reading: BucketReading | undefined) => void
}

/**
 * Makes one call of all checks that arrive in one turn of the event loop. While two calls are under way, checks gather for the
 * next, so batches grow with load and a lone check waits for nothing. Calls are sent in the order in which checks came.
 */
export class CheckBatcher {
  readonly #store: BucketStore
  readonly #maxWaiting: number
  #waiting: Waiting[] = []
  #inFlight = 0
  #scheduled = false

  /** @param maxWaiting how many checks may wait for a call */
  constructor(store: BucketStore, maxWaiting: number) {
    this.#store = store
    this.#maxWaiting = maxWaiting
  }

  /** Whether no further check may wait. */
  get isFull(): boolean {
    return this.#waiting.length >= this.#maxWaiting
  }

  /** Asks the store with the next call. */
  enqueue({ key, policy, tokens }: BucketCheck, answered: Waiting['answered']): void {
    this.#waiting.push({ key, policy, tokens, answered })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= MAX_IN_FLIGHT || this.#waiting.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      while (this.#inFlight < MAX_IN_FLIGHT && this.#waiting.length > 0) void this.#send(this.#nextBatch())
    })
  }

  #nextBatch(): readonly Waiting[] {
    if (this.#waiting.length > MAX_BATCH) return this.#waiting.splice(0, MAX_BATCH)
    const batch = this.#waiting
    this.#waiting = []
    return batch
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    this.#inFlight++
    const readings = await this.#store.check(batch).catch(() => [])
    this.#inFlight--
    this.#schedule()
    for (let i = 0; i < batch.length; i++) batch[i]?.answered(readings[i])
  }
}
