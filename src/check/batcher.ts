import type { BucketReading } from '../domain/token-bucket.ts'
import type { BucketCheck, BucketStore } from './ports.ts'

/** As many as one script call may decide, so that no call keeps the store from others for long. */
const MAX_BATCH = 256

/** Calls that are under way at once. More of them only make batches smaller. */
const MAX_IN_FLIGHT = 2

interface Waiting extends BucketCheck {
  resolve(reading: BucketReading): void
  reject(reason: unknown): void
}

/**
 * Makes one call of all checks that arrive in one turn of the event loop. While two calls are under way, checks gather for the
 * next, so batches grow with load and a lone check waits for nothing.
 */
export class CheckBatcher {
  readonly #store: BucketStore
  #waiting: Waiting[] = []
  #inFlight = 0
  #scheduled = false

  constructor(store: BucketStore) {
    this.#store = store
  }

  check({ key, policy, tokens }: BucketCheck): Promise<BucketReading> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, policy, tokens, resolve, reject })
      this.#schedule()
    })
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
    const batch = this.#waiting.slice(0, MAX_BATCH)
    this.#waiting = this.#waiting.slice(MAX_BATCH)
    return batch
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    this.#inFlight++
    try {
      const readings = await this.#store.check(batch)
      for (const [i, reading] of readings.entries()) batch[i]?.resolve(reading)
    } catch (err) {
      for (const waiting of batch) waiting.reject(err)
    } finally {
      this.#inFlight--
      this.#schedule()
    }
  }
}
