import type { Logger } from '../logger.ts'

/** Longer than another worker takes to take over what a worker that died had begun. */
const PATIENCE_MS = 10_000
const INTERVAL_MS = 2_000

/** What is seen of one partition's queue. */
export interface QueueState {
  readonly isPaused: boolean
  /** The command that is taken next. */
  readonly next: string | undefined
  /** The commands that workers took. */
  readonly active: readonly string[]
  /** Whether a worker that lives has one of them, however long it takes. */
  readonly isWorkedOn: boolean
}

/** Why commands are not taken, as `/health` and the log say it. */
type Standstill = 'queue-paused' | 'queue-unreadable' | 'no-worker' | 'queue-stalled'

const MEANINGS: Readonly<Record<Standstill, string>> = {
  'queue-paused': 'the queue of changes is paused: changes wait until it is resumed',
  'queue-unreadable': 'the queue of changes cannot be read: something in it is damaged',
  'no-worker': 'changes wait, and no worker is connected',
  'queue-stalled': 'changes wait, and no worker takes them although one is connected',
}

interface QueueWatchOptions {
  readonly partitions: number
  look(partition: number): Promise<QueueState>
  /** Whether any worker is connected that takes commands of this partition. */
  hasWorker(partition: number): Promise<boolean>
  /** Whether looking failed because the store is unavailable, which others report. */
  isTransient(err: Error): boolean
  readonly logger: Logger
  /** Monotonic, in ms. */
  now(): number
}

/** What is known of one queue. */
interface Watched {
  /** What was seen last, as text, and since when. */
  readonly seen: string
  readonly sinceMs: number
  readonly standstill: Standstill | undefined
}

/** Notices queues whose commands wait although nothing is done about them, and says why. */
export class QueueWatch {
  readonly #options: QueueWatchOptions
  readonly #watched = new Map<number, Watched>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: QueueWatchOptions) {
    this.#options = options
  }

  /** Why commands are not taken, if any partition's are not. */
  get reason(): string | undefined {
    return [...this.#watched.values()].find(({ standstill }) => standstill !== undefined)?.standstill
  }

  start(): void {
    this.#timer = setTimeout(() => void this.look().finally(() => this.#timer && this.start()), INTERVAL_MS).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Looks at every queue once. */
  async look(): Promise<void> {
    const partitions = Array.from({ length: this.#options.partitions }, (_, partition) => partition)
    await Promise.all(partitions.map(partition => this.#lookAt(partition)))
  }

  /** While the store is unavailable, nothing is known, so that the time begins again. */
  async #lookAt(partition: number): Promise<void> {
    try {
      const state = await this.#options.look(partition)
      await this.#see(partition, JSON.stringify(state), () => this.#standstillOf(partition, state))
    } catch (err) {
      if (this.#options.isTransient(err as Error)) this.#watched.delete(partition)
      else await this.#see(partition, String(err), async () => 'queue-unreadable')
    }
  }

  async #standstillOf(partition: number, state: QueueState): Promise<Standstill | undefined> {
    if (state.isWorkedOn) return undefined
    if (state.isPaused) return 'queue-paused'
    if (state.next === undefined && state.active.length === 0) return undefined
    return (await this.#options.hasWorker(partition)) ? 'queue-stalled' : 'no-worker'
  }

  /** Only what stays the same for long stands still. */
  async #see(partition: number, seen: string, find: () => Promise<Standstill | undefined>): Promise<void> {
    const { now } = this.#options
    const last = this.#watched.get(partition)
    const sinceMs = last?.seen === seen ? last.sinceMs : now()
    const waitedMs = now() - sinceMs
    const standstill = waitedMs >= PATIENCE_MS ? await find() : undefined
    this.#watched.set(partition, { seen, sinceMs, standstill })
    if (standstill !== last?.standstill) this.#report(partition, standstill, waitedMs)
  }

  #report(partition: number, reason: Standstill | undefined, waitedMs: number): void {
    const { logger } = this.#options
    if (reason === undefined) logger.info({ partition }, 'changes no longer wait for their queue')
    else logger.warn({ partition, reason, waitedMs: Math.round(waitedMs) }, MEANINGS[reason])
  }
}
