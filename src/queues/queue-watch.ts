import type { Logger } from '../observability/logger.ts'

/** Longer than a worker needs to take over the command of one that died, in ms. */
const STALLED_AFTER_MS = 10_000
const INTERVAL_MS = 2_000

/** The state of one partition's queue. */
export interface QueueState {
  readonly isPaused: boolean
  /** The id of the first command: the one that a worker has taken, else the next one. */
  readonly first: string | undefined
  /** The lease of the worker that has taken it; `null` if no live worker has. */
  readonly lease: string | null
}

/** Why commands are not processed, for `/health` and the log. */
type StallReason = 'queue-paused' | 'queue-unreadable' | 'no-worker' | 'queue-stalled'

const MEANINGS: Readonly<Record<StallReason, string>> = {
  'queue-paused': 'the queue of changes is paused: changes wait until it is resumed',
  'queue-unreadable': 'the queue of changes cannot be read: something in it is damaged',
  'no-worker': 'changes wait, and no worker is connected',
  'queue-stalled': 'changes wait, and no worker processes them although one is connected',
}

interface QueueWatchOptions {
  readonly partitions: number
  stateOf(partition: number): Promise<QueueState>
  /** Whether a worker of this partition is connected. */
  hasWorker(partition: number): Promise<boolean>
  /** Whether an error means that the store is unavailable, which is reported elsewhere. */
  isTransient(err: Error): boolean
  readonly logger: Logger
  /** Monotonic, in ms. */
  now(): number
}

/** The last observation of one queue. */
interface Watched {
  /** The observed state without the lease, or the error, as text, and the time since when it has been the same. */
  readonly seen: string
  readonly sinceMs: number
  /** How long the queue has had the same first command, or has been unreadable; 0 if it is empty. */
  readonly waitedMs: number
  readonly lease: string | null
  readonly stallReason: StallReason | undefined
}

/** Detects queues whose commands wait without being processed, and reports why. */
export class QueueWatch {
  readonly #options: QueueWatchOptions
  readonly #watched = new Map<number, Watched>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: QueueWatchOptions) {
    this.#options = options
  }

  /** Why commands of a partition are not processed; `undefined` if all are. */
  get reason(): string | undefined {
    return [...this.#watched.values()].find(({ stallReason }) => stallReason !== undefined)?.stallReason
  }

  /** By partition, how long the queue has had the same first command. Without partitions whose store is unavailable. */
  get waitsMs(): ReadonlyMap<number, number> {
    return new Map(Array.from(this.#watched, ([partition, { waitedMs }]) => [partition, waitedMs]))
  }

  start(): void {
    this.#timer = setTimeout(
      () => void this.inspectAll().finally(() => this.#timer && this.start()),
      INTERVAL_MS,
    ).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Inspects every queue once. */
  async inspectAll(): Promise<void> {
    const partitions = Array.from({ length: this.#options.partitions }, (_, partition) => partition)
    await Promise.all(partitions.map(partition => this.#inspect(partition)))
  }

  /** While the store is unavailable nothing is known, so the observation starts again afterwards. */
  async #inspect(partition: number): Promise<void> {
    try {
      const state = await this.#options.stateOf(partition)
      const { lease, ...seen } = state
      const isEmpty = state.first === undefined
      const observed = { seen: JSON.stringify(seen), isEmpty, lease }
      await this.#see(partition, observed, () => this.#stallReasonOf(partition, state))
    } catch (err) {
      if (this.#options.isTransient(err as Error)) this.#watched.delete(partition)
      else
        await this.#see(partition, { seen: String(err), isEmpty: false, lease: null }, async () => 'queue-unreadable')
    }
  }

  /** A command whose lease changes is not worked on: workers take it again and again, and cannot start it. */
  async #stallReasonOf(partition: number, { isPaused, first, lease }: QueueState): Promise<StallReason | undefined> {
    if (lease !== null && lease === this.#watched.get(partition)?.lease) return undefined
    if (isPaused) return 'queue-paused'
    if (first === undefined) return undefined
    return (await this.#options.hasWorker(partition)) ? 'queue-stalled' : 'no-worker'
  }

  /** A queue is stalled if its state has been the same for `STALLED_AFTER_MS`, whatever the lease. */
  async #see(
    partition: number,
    { seen, isEmpty, lease }: Pick<Watched, 'seen' | 'lease'> & { readonly isEmpty: boolean },
    find: () => Promise<StallReason | undefined>,
  ): Promise<void> {
    const { now } = this.#options
    const last = this.#watched.get(partition)
    const sinceMs = last?.seen === seen ? last.sinceMs : now()
    const unchangedMs = now() - sinceMs
    const stallReason = unchangedMs >= STALLED_AFTER_MS ? await find() : undefined
    this.#watched.set(partition, { seen, sinceMs, waitedMs: isEmpty ? 0 : unchangedMs, lease, stallReason })
    if (stallReason !== last?.stallReason) this.#report(partition, stallReason, unchangedMs)
  }

  #report(partition: number, reason: StallReason | undefined, waitedMs: number): void {
    const { logger } = this.#options
    if (reason === undefined) logger.info({ partition }, 'changes no longer wait for their queue')
    else logger.warn({ partition, reason, waitedMs: Math.round(waitedMs) }, MEANINGS[reason])
  }
}
