import type { BucketReading } from '../domain/token-bucket.ts'
import type { BucketCheck, BucketStore } from './ports.ts'

/** As many as one script call may decide, so that no call keeps the store from others for long. */
const MAX_BATCH = 256

/** Calls that are under way at once. More of them only make batches smaller. */
const MAX_IN_FLIGHT = 2

/** Receives the reading of a check, or nothing when the store could not be asked. */
type Answered<Check> = (check: Check, reading: BucketReading | undefined) => void

/**
 * Makes one call of all checks that arrive in one turn of the event loop. While two calls are under way, checks gather for the
 * next, so batches grow with load and a lone check waits for nothing. Calls are sent in the order in which checks came.
 */
export class CheckBatcher<Check extends BucketCheck> {
  readonly #store: BucketStore
  readonly #answered: Answered<Check>
  /** In the order in which checks came; all but the last are full. */
  readonly #batches: Check[][] = []
  #waiting = 0
  #inFlight = 0
  #scheduled = false

  constructor(store: BucketStore, answered: Answered<Check>) {
    this.#store = store
    this.#answered = answered
  }

  /** How many checks wait for a call. */
  get waiting(): number {
    return this.#waiting
  }

  /** Asks the store with the next call. */
  enqueue(check: Check): void {
    const last = this.#batches.at(-1)
    if (last === undefined || last.length === MAX_BATCH) this.#batches.push([check])
    else last.push(check)
    this.#waiting++
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= MAX_IN_FLIGHT || this.#waiting === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#sendWhatMay()
    })
  }

  #sendWhatMay(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const batch = this.#batches.shift()
      if (batch === undefined) return
      this.#waiting -= batch.length
      void this.#send(batch)
    }
  }

  async #send(batch: readonly Check[]): Promise<void> {
    this.#inFlight++
    const readings = await this.#ask(batch)
    this.#inFlight--
    this.#schedule()
    for (let i = 0; i < batch.length; i++) this.#answered(batch[i] as Check, readings[i])
  }

  async #ask(batch: readonly Check[]): Promise<readonly BucketReading[]> {
    try {
      return await this.#store.check(batch)
    } catch {
      return []
    }
  }
}
