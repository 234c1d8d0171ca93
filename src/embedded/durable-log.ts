import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { Logger } from '../observability/logger.ts'
import { ConnectionName } from '../redis/connection/connection-names.ts'
import { announcementChannel, ConfigKeys } from '../redis/keys.ts'
import type { RetentionOptions } from '../redis/policies/retention.ts'
import { ClientNames } from './client-names.ts'
import type { DirectoryLock } from './directory-lock.ts'
import { areWhole, compactedPositions, HeldLog } from './held-log.ts'
import type { InProcessConnection, Reply } from './in-process-connection.ts'
import { Journal } from './journal.ts'
import { JournalCompaction } from './journal-compaction.ts'
import { JournalFailure } from './journal-failure.ts'
import { replaceJournal, rewriteJournal } from './journal-from-store.ts'
import type { LogEnd } from './log-end.ts'
import { hasQueuedCommands } from './queued-commands.ts'
import { fillFromJournal } from './replay.ts'
import type { ReplayBatch, ReplaySource } from './replay-batches.ts'
import type { ReplyGate } from './valkey.ts'
import type { CompactionJob } from './write-compacted.ts'

/** How often to check whether the store's log was compacted or emptied, in ms. */
const COMPARISON_INTERVAL_MS = 10_000

/** Interval at which the journal's file is checked, and a failed write retried, in ms. */
const WATCH_INTERVAL_MS = 500

interface DurableLogOptions extends RetentionOptions {
  readonly dataDir: string
  readonly directory: DirectoryLock
  /** Events that a start keeps of each partition, as workers do; all if absent. */
  readonly keep?: number | undefined
  readonly logger: Logger
  /** See `fillFromJournal`. */
  batchesInThread(source: ReplaySource): AsyncIterable<ReplayBatch>
  /** See `JournalCompaction`. */
  writeCompacted(job: CompactionJob, signal: AbortSignal): Promise<number>
  /** Ends the process, so that its successor loads the journal. */
  restart(): never
}

interface Connections {
  readonly commands: InProcessConnection
  readonly announcements: InProcessConnection
}

/**
 * Keeps the event logs of the embedded store on disk: fills the store from the journal, then journals each event.
 *
 * While the journal cannot be written, the store holds events that would not survive a restart. They must not become visible, so
 * only connections for buckets are served. The events are journalled as soon as writing works again.
 */
export class DurableLog implements ReplyGate {
  readonly #options: DurableLogOptions
  readonly #commands: InProcessConnection
  readonly #announcements: InProcessConnection
  readonly #clients: ClientNames
  readonly #journal: Journal
  readonly #logs: readonly HeldLog[]
  /** The position up to which each log was read from the store. */
  #ends: LogEnd[]
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #compaction: JournalCompaction
  /** Of the last write to the journal. */
  readonly #failure: JournalFailure
  /** Events that were read from the store but are not on disk yet. */
  #unwritten: string[] = []
  /** Whether the journal must be rewritten from the contents of the store. */
  #isReplaced = false
  #recovery: Promise<void> | undefined

  /** @throws {CannotStart} when the journal cannot be read */
  static async open(connections: Connections, options: DurableLogOptions): Promise<DurableLog> {
    const { dataDir, directory, keyPrefix, retentionMs, logger } = options
    const partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => new ConfigKeys(keyPrefix, n))
    const identities = partitions.map(() => randomUUID())
    const journal = new Journal({ path: join(dataDir, 'journal.ndjson'), identities, directory, logger })
    const { entryCount, file } = journal
    const source = { keyPrefix, retentionMs, ...file }
    const ends = await fillFromJournal(connections.commands, source, { ...options, entryCount })
    return new DurableLog(connections, partitions, { journal, ends }, options)
  }

  private constructor(
    { commands, announcements }: Connections,
    partitions: readonly ConfigKeys[],
    { journal, ends }: { journal: Journal; ends: LogEnd[] },
    options: DurableLogOptions,
  ) {
    this.#options = options
    this.#commands = commands
    this.#announcements = announcements
    this.#clients = new ClientNames(commands)
    this.#journal = journal
    this.#logs = partitions.map(keys => new HeldLog(commands, keys))
    this.#compaction = new JournalCompaction(journal, this.#logs, options)
    this.#failure = new JournalFailure(journal.path, options.logger)
    this.#ends = ends
    announcements.call('SUBSCRIBE', announcementChannel(options.keyPrefix))
    this.#timers = [
      setInterval(() => this.#compare(), COMPARISON_INTERVAL_MS),
      setInterval(() => this.#watch(), WATCH_INTERVAL_MS),
    ]
  }

  /** Journals the events that were announced since the last call. */
  makeDurable(): boolean {
    for (const partition of new Set(this.#announcements.takePushed().map(partitionOf))) {
      if (this.#logs[partition] !== undefined) this.#take(partition)
    }
    if (this.#failure.current === undefined) this.#write()
    return this.#failure.current === undefined
  }

  /** A client that has not set its name yet has not sent any other command either. */
  isExempt(fd: number): boolean {
    const name = this.#clients.nameOf(fd)
    return name === '' || name === ConnectionName.buckets
  }

  /** Worded like Redis's error for its append-only file. */
  get refusal(): string {
    return `MISCONF cannot write ${this.#journal.path}: ${this.#failure.current?.message}`
  }

  /** Reads the events from the store that were not read before. */
  #take(partition: number): void {
    const log = this.#logs[partition] as HeldLog
    const added = log.readAfter(this.#ends[partition] as LogEnd)
    if (added !== undefined) {
      this.#unwritten.push(...added.events)
      this.#ends[partition] = added.end
    } else if (log.isAnother && areWhole(this.#logs)) this.#takeAll()
    else {
      this.#options.logger.fatal(
        'the log in the store is not the one in the journal: the store restarts from its journal',
      )
      this.#options.restart()
    }
  }

  /** The store was emptied and perhaps refilled: rewrites the journal from the contents of the store. */
  #takeAll(): void {
    const { path } = this.#journal
    if (!this.#isReplaced) this.#options.logger.warn({ path }, 'the store was emptied: its journal is rewritten')
    this.#isReplaced = true
    for (const [partition, log] of this.#logs.entries()) this.#ends[partition] = log.readAll().end
    this.#unwritten = []
  }

  #write(): void {
    try {
      if (this.#isReplaced) this.#restartAt(replaceJournal(this.#journal, this.#logs))
      this.#isReplaced = false
      if (this.#unwritten.length > 0) this.#journal.append(this.#unwritten, compactedPositions(this.#logs))
      else if (this.#failure.current !== undefined) this.#journal.requireWritable()
      this.#unwritten = []
      this.#failure.clear()
    } catch (err) {
      this.#failure.set(err as Error)
    }
  }

  /** Detects that the journal or its directory was removed, before the next change does. Retries after any failure. */
  #watch(): void {
    if (this.#failure.current === undefined) {
      try {
        this.#journal.requireWritable()
        return
      } catch (err) {
        this.#failure.set(err as Error)
      }
    }
    this.#recovery ??= this.#recover()
      .catch(err => this.#failure.set(err))
      .finally(() => {
        this.#recovery = undefined
      })
  }

  async #recover(): Promise<void> {
    if (!this.#options.directory.isHeld) await this.#regainDirectory()
    if (this.#journal.isMissing) await this.#rewrite()
    this.#takeEverything()
  }

  /** Creates and locks a removed directory again, unless another process has it by now. */
  async #regainDirectory(): Promise<void> {
    const { directory, dataDir, logger } = this.#options
    directory.release()
    await directory.requireFree()
    this.#journal.requireNoOther()
    await directory.take()
    logger.warn({ dataDir }, 'the data directory, or the lock in it, was removed: it is locked again')
  }

  /** Writes the journal again from the store, while checks continue. */
  async #rewrite(): Promise<void> {
    this.#restartAt(await rewriteJournal(this.#journal, this.#logs))
    const { path, entryCount: entries } = this.#journal
    this.#options.logger.warn({ path, entries }, 'the journal was removed: it is written again from memory')
  }

  /** The journal contains the logs up to these ends. */
  #restartAt(ends: LogEnd[]): void {
    this.#ends = ends
    this.#unwritten = []
  }

  /** Journals everything in the store, announced or not. */
  #takeEverything(): void {
    for (const partition of this.#logs.keys()) this.#take(partition)
    this.#write()
  }

  #compare(): void {
    if (this.#failure.current !== undefined) return
    this.#takeEverything()
    this.#compaction.start()
  }

  /**
   * Before the store stops.
   * @param compactionMs how long compacting the journal may take
   * @throws if accepted changes are lost
   */
  async close(compactionMs: number): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#watch()
    await this.#recovery
    if (this.#compaction.isSmall) this.#compare()
    await this.#compaction.end(compactionMs)
    this.#takeEverything()
    this.#journal.close()
    const failure = this.#failure.current
    if (failure !== undefined && this.#hasUnwritten) {
      throw new Error(`accepted changes are not on disk, and are lost: ${failure.message}`)
    }
  }

  /** Whether the store holds more than the journal: events, or commands that its clients could not apply. */
  get #hasUnwritten(): boolean {
    return this.#unwritten.length > 0 || this.#isReplaced || hasQueuedCommands(this.#commands, this.#options.keyPrefix)
  }
}

/** An announcement arrives as `['message', channel, '<partition> …']`; messages of other publishers have no partition. */
function partitionOf(pushed: Reply | Error): number {
  return Array.isArray(pushed) ? Number.parseInt(String(pushed[2]), 10) : Number.NaN
}
