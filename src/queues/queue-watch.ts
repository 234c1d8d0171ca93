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
  'queue-unreadable': 'the queue of changes cannot be read',
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
  /** Called after each inspection with the last observation of every queue, for `resume` of another process. */
  onInspected(observations: readonly QueueObservation[]): void
  readonly logger: Logger
  /** Monotonic, in ms, and the same for all processes of the machine, which hand observations on. */
  now(): number
}

/** The last observation of one queue. */
export interface QueueObservation {
  readonly partition: number
  /** The first command, the state of an empty queue, or the error, as text. */
  readonly seen: string
  readonly isPaused: boolean
  readonly lease: string | null
  /** Since when `seen` has been the same. */
  readonly sinceMs: number
  /** How long that has been; 0 for an empty queue. */
  readonly waitedMs: number
  /** Since when, at the earliest, a worker could go on: after `sinceMs` if the store was unavailable or the queue was paused. */
  readonly workableSinceMs: number
  readonly stallReason?: StallReason | undefined
  /** Whether the store has answered. */
  readonly isKnown: boolean
}

/** Detects queues whose commands wait without being processed, and reports why. */
export class QueueWatch {
  readonly #options: QueueWatchOptions
  readonly #watched = new Map<number, QueueObservation>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: QueueWatchOptions) {
    this.#options = options
  }

  /** Why commands of a partition are not processed; `undefined` if all are. */
  get reason(): string | undefined {
    return this.#known.find(({ stallReason }) => stallReason !== undefined)?.stallReason
  }

  /** By partition, how long the queue has had the same first command. Without partitions whose store is unavailable. */
  get waitsMs(): ReadonlyMap<number, number> {
    return new Map(this.#known.map(({ partition, waitedMs }) => [partition, waitedMs]))
  }

  get #known(): readonly QueueObservation[] {
    return [...this.#watched.values()].filter(({ isKnown }) => isKnown)
  }

  /** Continues what earlier processes have observed, unless it comes too late: after an inspection. */
  resume(observations: readonly QueueObservation[]): void {
    if (this.#watched.size > 0) return
    for (const observation of observations) this.#watched.set(observation.partition, observation)
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
    this.#options.onInspected([...this.#watched.values()])
  }

  async #inspect(partition: number): Promise<void> {
    try {
      const state = await this.#options.stateOf(partition)
      await this.#see(partition, state, () => this.#stallReasonOf(partition, state))
    } catch (err) {
      if (this.#options.isTransient(err as Error)) this.#lose(partition)
      else {
        const unreadable = { first: String(err), isPaused: false, lease: null }
        await this.#see(partition, unreadable, async () => 'queue-unreadable')
      }
    }
  }

  /** While the store is unavailable, nothing is known. Afterwards, workers have the whole time again, unless they were stalled before. */
  #lose(partition: number): void {
    const last = this.#watched.get(partition)
    if (last === undefined) return
    const { stallReason } = last
    const workableSinceMs = stallReason === undefined ? this.#options.now() : last.workableSinceMs
    this.#watched.set(partition, { ...last, workableSinceMs, isKnown: false })
  }

  /** A command whose lease changes is not worked on: workers take it again and again, and cannot start it. */
  async #stallReasonOf(partition: number, { isPaused, first, lease }: QueueState): Promise<StallReason | undefined> {
    if (lease !== null && lease === this.#watched.get(partition)?.lease) return undefined
    if (isPaused) return 'queue-paused'
    if (first === undefined) return undefined
    return (await this.#options.hasWorker(partition)) ? 'queue-stalled' : 'no-worker'
  }

  /** A queue is stalled if its first command stays the same for `STALLED_AFTER_MS` in which workers could take it, whatever its lease. */
  async #see(
    partition: number,
    { first, isPaused, lease }: QueueState,
    find: () => Promise<StallReason | undefined>,
  ): Promise<void> {
    const nowMs = this.#options.now()
    const seen = first ?? (isPaused ? 'empty and paused' : 'empty')
    const last = this.#watched.get(partition)
    const same = last?.seen === seen ? last : undefined
    const sinceMs = same?.sinceMs ?? nowMs
    // A queue that has just been resumed is not stalled yet.
    const workableSinceMs = same === undefined || (same.isPaused && !isPaused) ? nowMs : same.workableSinceMs
    const stallReason = nowMs - workableSinceMs >= STALLED_AFTER_MS ? await find() : undefined
    const waitedMs = first === undefined ? 0 : nowMs - sinceMs
    const watched = { partition, seen, isPaused, lease, waitedMs, sinceMs, workableSinceMs, stallReason, isKnown: true }
    this.#watched.set(partition, watched)
    if (stallReason !== last?.stallReason) this.#report(partition, stallReason, nowMs - sinceMs)
  }

  #report(partition: number, reason: StallReason | undefined, waitedMs: number): void {
    const { logger } = this.#options
    if (reason === undefined) logger.info({ partition }, 'changes no longer wait for their queue')
    else logger.warn({ partition, reason, waitedMs: Math.round(waitedMs) }, MEANINGS[reason])
  }
}
