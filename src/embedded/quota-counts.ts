import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inChunks } from '../lib/keyed-chunks.ts'
import type { Logger } from '../observability/logger.ts'
import { bucketsPrefix, isBucketKey } from '../redis/keys.ts'
import { readQuotaCountsScript } from '../redis/scripts.ts'
import type { DirectoryLock } from './directory-lock.ts'
import type { InProcessConnection, Reply } from './in-process-connection.ts'
import type { QuotaCount } from './quota-count-lines.ts'
import { QuotaCountsFile } from './quota-counts-file.ts'
import { restoreQuotaCounts } from './restore-quota-counts.ts'
import { scanKeys } from './scan-keys.ts'
import { StartProgress } from './start-progress.ts'

/** Interval at which changed counts are looked for, in ms. */
const INTERVAL_MS = 250

/**
 * How long it takes to write what has changed, in ms. Checks are answered meanwhile. An interval, a pass that had begun before, and the
 * pass itself take well below a second.
 */
const PASS_MS = 200

/** Fewer are not worth a call. */
const MIN_KEYS_PER_TURN = 100

/** How long a stop waits for the search for counts, in ms: a few hundred thousand buckets. For millions, it takes longer than a stop may. */
const MAX_SEARCH_AT_STOP_MS = 1_000

const SEARCH_GIVEN_UP =
  'the search for counts of quotas was given up: the next start may forget what was spent just before the first quota was known'

const FILE = 'quotas.ndjson'

/** Where a client that tracks keys gets their names. @see https://valkey.io/topics/client-side-caching/ */
const INVALIDATED = '__redis__:invalidate'

interface Connections {
  readonly commands: Pick<InProcessConnection, 'call' | 'send'>
  readonly tracking: Pick<InProcessConnection, 'call' | 'takePushed'>
}

interface QuotaCountsOptions {
  readonly dataDir: string
  readonly directory: Pick<DirectoryLock, 'isHeld' | 'requireHeld'>
  readonly keyPrefix: string
  readonly logger: Logger
}

/**
 * Keeps what was spent of quotas on disk, at least once a second, so that a restart of the embedded store does not begin their periods
 * again. It does nothing before there are counts of an earlier process, or a front process has found a quota.
 *
 * Valkey tells which buckets have changed; those that have an entry of a quota are written to a file beside the journal.
 */
export class QuotaCounts {
  readonly #commands: Connections['commands']
  readonly #tracking: Connections['tracking']
  readonly #options: QuotaCountsOptions
  readonly #file: QuotaCountsFile
  /** Buckets that have changed since they were written; the oldest change comes first. */
  readonly #changed = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #finding: Promise<void> | undefined
  /** When the search is given up, on the clock of `performance`. */
  #searchEndsAt = Number.POSITIVE_INFINITY
  #writing: Promise<void> | undefined
  #settling: Promise<void> | undefined
  /** Whether the last write succeeded. */
  #isWritable = true
  #hasWarnedOfLoss = false
  #failure: string | undefined

  private constructor({ commands, tracking }: Connections, options: QuotaCountsOptions, file: QuotaCountsFile) {
    this.#commands = commands
    this.#tracking = tracking
    this.#options = options
    this.#file = file
  }

  /**
   * Reads and restores what was written before. The store does not serve yet.
   * @throws {CannotStart} if the file of earlier counts cannot be read
   */
  static async open(connections: Connections, options: QuotaCountsOptions): Promise<QuotaCounts> {
    const { dataDir, logger } = options
    const progress = new StartProgress(logger, 'counts of quotas are being read')
    const onProgress = (done: object) => progress.report(done)
    const file = await QuotaCountsFile.open(join(dataDir, FILE), Date.now(), { isKey: isBucketKey, onProgress })
    reportDamage(file, logger)
    const counts = new QuotaCounts(connections, options, file)
    counts.#warnOfLoss()
    await counts.#restore()
    return counts
  }

  async #restore(): Promise<void> {
    const { held } = this.#file
    if (held.size === 0) return
    await restoreQuotaCounts(held, this.#commands, this.#options.logger)
    this.#track()
  }

  /** Keeps counts from now on, and those that were spent a moment ago. */
  keep(): void {
    if (this.#timer !== undefined) return
    this.#track()
    this.#finding = this.#findCounts().catch(err => this.#failed(err))
  }

  #track(): void {
    const redirect = this.#tracking.call('CLIENT', 'ID') as number
    this.#tracking.call('SUBSCRIBE', INVALIDATED)
    const prefix = bucketsPrefix(this.#options.keyPrefix)
    this.#commands.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', redirect, 'BCAST', 'PREFIX', prefix)
    this.#timer = setInterval(() => this.#runPass(), INTERVAL_MS)
  }

  /** Looks for counts in all buckets of the store. */
  async #findCounts(): Promise<void> {
    for await (const keys of scanKeys(this.#commands, `${bucketsPrefix(this.#options.keyPrefix)}*`)) {
      if (performance.now() > this.#searchEndsAt) {
        this.#options.logger.warn(SEARCH_GIVEN_UP)
        return
      }
      for (const [key, count] of this.#read(keys)) if (count !== undefined) this.#changed.add(key)
    }
  }

  /** Writes what has changed, and then what has changed meanwhile. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#searchEndsAt = performance.now() + MAX_SEARCH_AT_STOP_MS
    await this.#finding
    await this.#writing
    await this.#settling
    this.#noteChanges()
    await this.#write()
    await this.#settle()
  }

  /** A slow disk does not keep later changes from being written. */
  #runPass(): void {
    this.#noteChanges()
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = undefined
    })
  }

  #noteChanges(): void {
    for (const pushed of this.#tracking.takePushed()) this.#note(pushed)
  }

  /** Writes the present changes. Each turn of the event loop has its share of them, so that checks wait for a short time only. */
  async #write(): Promise<void> {
    const startedAt = performance.now()
    const total = this.#changed.size
    for (let written = 0; written < total; ) {
      const due = (total * (performance.now() - startedAt)) / PASS_MS
      const count = Math.min(total - written, Math.max(Math.ceil(due) - written, MIN_KEYS_PER_TURN))
      if (!this.#tryTo(() => this.#writeOldest(count))) return
      written += count
      await nextTurn()
    }
  }

  /** Returns whether it succeeded. */
  #tryTo(write: () => void): boolean {
    try {
      // Without the lock, the file may be another process's.
      this.#options.directory.requireHeld()
      write()
      this.#isWritable = true
    } catch (err) {
      this.#isWritable = false
      this.#failed(err as NodeJS.ErrnoException)
    }
    return this.#isWritable
  }

  #writeOldest(count: number): void {
    for (const keys of inChunks([...firstOf(this.#changed, count)])) {
      this.#file.append(this.#read(keys), Date.now())
      for (const key of keys) this.#changed.delete(key)
    }
  }

  async #settle(): Promise<void> {
    if (!this.#options.directory.isHeld) return
    try {
      await this.#file.settle(Date.now())
      if (this.#isWritable) this.#succeeded()
      this.#warnOfLoss()
    } catch (err) {
      this.#failed(err as NodeJS.ErrnoException)
    }
  }

  /** A message names the changed keys, or none if the store was emptied. */
  #note(pushed: Reply | Error): void {
    const keys = Array.isArray(pushed) ? pushed[2] : undefined
    if (Array.isArray(keys)) for (const key of keys) this.#changed.add(String(key))
    else if (keys === null) for (const key of this.#file.held.keys()) this.#changed.add(key)
  }

  /** The present counts of these buckets; `undefined` for one that has no quota. */
  #read(keys: readonly string[]): ReadonlyMap<string, QuotaCount | undefined> {
    const counts = new Map<string, QuotaCount | undefined>()
    const script = readQuotaCountsScript.lua
    const found = this.#commands.call('EVAL', script, keys.length, ...keys) as Reply[]
    for (const [i, key] of keys.entries()) {
      const [value, expiresAt] = [String(found[2 * i]), Number(found[2 * i + 1])]
      counts.set(key, value === '' ? undefined : { value, expiresAt })
    }
    return counts
  }

  #warnOfLoss(): void {
    if (this.#hasWarnedOfLoss || !this.#file.hasGivenUp) return
    this.#hasWarnedOfLoss = true
    const counts = this.#file.held.size
    this.#options.logger.warn({ counts }, 'too many counts of quotas: a restart would forget those written longest ago')
  }

  #failed({ message: reason, code }: NodeJS.ErrnoException): void {
    if (this.#failure !== reason) {
      this.#options.logger.error({ code, reason }, 'counts of quotas cannot be written: a restart would forget them')
    }
    this.#failure = reason
  }

  #succeeded(): void {
    if (this.#failure !== undefined) this.#options.logger.info('counts of quotas can be written again')
    this.#failure = undefined
  }
}

function reportDamage({ firstDamagedLine: line, incompleteBytes: bytes }: QuotaCountsFile, logger: Logger): void {
  if (line !== undefined) logger.warn({ line }, `${FILE} is damaged from this line on: damaged lines are left out`)
  if (bytes > 0) logger.warn({ bytes }, `the last line of ${FILE} is incomplete and is left out`)
}

function* firstOf<T>(items: Iterable<T>, count: number): Generator<T> {
  let taken = 0
  for (const item of items) {
    if (taken++ >= count) return
    yield item
  }
}
