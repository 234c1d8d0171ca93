import { withDeadline } from '../lib/deadline.ts'

const MAX_READS_PER_SECOND = 10
const SECOND_MS = 1_000

interface LogRereadsOptions {
  /** Reads the log of a partition up to its end. */
  catchUp(partition: number): Promise<void>
  /** How long a read is waited for, in ms. */
  readonly timeoutMs: number
  /** A monotonic clock, in ms. */
  now(): number
}

/**
 * Reads the logs of the policies between the regular reads, for checks that name an unknown policy. Checks share the read in flight.
 * There are at most ten reads in any second, so callers who name a deleted policy do not burden the policy store.
 */
export class LogRereads {
  readonly #options: LogRereadsOptions
  /** The reads in flight, by partition. Each resolves at its deadline at the latest, so a store that hangs delays no further check. */
  readonly #inFlight = new Map<number, Promise<void>>()
  /** When the reads of the last second began. */
  #startsMs: readonly number[] = []

  constructor(options: LogRereadsOptions) {
    this.#options = options
  }

  /** Resolves when the log has been read, and at once if there were too many reads. Never rejects. */
  read(partition: number): Promise<void> {
    return this.#inFlight.get(partition) ?? (this.#mayRead() ? this.#begin(partition) : Promise.resolve())
  }

  #mayRead(): boolean {
    const nowMs = this.#options.now()
    const recent = this.#startsMs.filter(startMs => nowMs - startMs < SECOND_MS)
    const mayRead = recent.length < MAX_READS_PER_SECOND
    this.#startsMs = mayRead ? [...recent, nowMs] : recent
    return mayRead
  }

  #begin(partition: number): Promise<void> {
    const { catchUp, timeoutMs } = this.#options
    const ended = catchUp(partition).then(ignore, ignore)
    const read = withDeadline(ended, timeoutMs).catch(ignore)
    this.#inFlight.set(partition, read)
    void ended.then(() => this.#inFlight.delete(partition))
    return read
  }
}

function ignore(): void {}
