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

/** A read of one log, from its call until the store has answered, however late. */
interface Read {
  /** Resolves when the store has answered. */
  readonly ended: Promise<void>
  /** Resolves with the read, at the latest at the deadline. */
  readonly awaited: Promise<void>
  /** Whether the deadline has passed. */
  isLate: boolean
  /** The read after this one, shared by all who ask meanwhile. */
  next: Promise<void> | undefined
}

/**
 * Reads the logs of the policies between the regular reads, for checks that name an unknown policy. Checks that ask during a read
 * share the one after it, since the read in flight may have missed the latest change. There are at most ten reads in any second, so
 * callers who name a deleted policy do not burden the policy store.
 */
export class LogRereads {
  readonly #options: LogRereadsOptions
  /** The reads in flight, by partition. */
  readonly #inFlight = new Map<number, Read>()
  /** When the reads of the last second began. */
  #startsMs: readonly number[] = []

  constructor(options: LogRereadsOptions) {
    this.#options = options
  }

  /**
   * Resolves when the log has been read as it is at the call. Resolves at once if there were too many reads, or if the store has not
   * answered in time: a store that hangs delays no further check. Never rejects.
   */
  read(partition: number): Promise<void> {
    const inFlight = this.#inFlight.get(partition)
    if (inFlight === undefined) return this.#mayRead() ? this.#begin(partition).awaited : Promise.resolve()
    if (inFlight.isLate) return Promise.resolve()
    inFlight.next ??= this.#untilDeadline(inFlight.ended.then(() => this.read(partition))).catch(ignore)
    return inFlight.next
  }

  #mayRead(): boolean {
    const nowMs = this.#options.now()
    const recent = this.#startsMs.filter(startMs => nowMs - startMs < SECOND_MS)
    const mayRead = recent.length < MAX_READS_PER_SECOND
    this.#startsMs = mayRead ? [...recent, nowMs] : recent
    return mayRead
  }

  #begin(partition: number): Read {
    const ended = this.#options
      .catchUp(partition)
      .then(ignore, ignore)
      .then(() => void this.#inFlight.delete(partition))
    const awaited = this.#untilDeadline(ended).catch(() => {
      read.isLate = true
    })
    const read: Read = { ended, awaited, isLate: false, next: undefined }
    this.#inFlight.set(partition, read)
    return read
  }

  #untilDeadline(read: Promise<void>): Promise<void> {
    return withDeadline(read, this.#options.timeoutMs)
  }
}

function ignore(): void {}
