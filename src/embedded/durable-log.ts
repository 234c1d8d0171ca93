import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { Logger } from '../observability/logger.ts'
import { ConnectionName } from '../redis/connection/connection-names.ts'
import { announcementChannel, ConfigKeys } from '../redis/keys.ts'
import type { RetentionOptions } from '../redis/policies/retention.ts'
import { ClientNames } from './client-names.ts'
import type { DirectoryLock } from './directory-lock.ts'
import { HeldLog } from './held-log.ts'
import type { InProcessConnection, Reply } from './in-process-connection.ts'
import { Journal } from './journal.ts'
import { replaceJournal, rewriteJournal } from './journal-from-store.ts'
import type { LogEnd } from './log-end.ts'
import { hasQueuedCommands } from './queued-commands.ts'
import { fillFromJournal } from './replay.ts'
import type { ReplayBatch, ReplaySource } from './replay-batches.ts'
import type { ReplyGate } from './valkey.ts'
import { VersionChain } from './version-chain.ts'
import type { CompactionJob } from './write-compacted.ts'

/** How often to check whether the store's log was compacted or emptied, in ms. */
const COMPARISON_INTERVAL_MS = 10_000

/** A journal of up to this many entries compacts in a moment, so it is compacted whenever possible and before a stop. */
const SMALL_JOURNAL_ENTRIES = 10_000

/** Interval at which the journal's file is checked, and a failed write retried, in ms. */
const WATCH_INTERVAL_MS = 500

interface DurableLogOptions extends RetentionOptions {
  readonly dataDir: string
  readonly directory: DirectoryLock
  readonly logger: Logger
  /** See `fillFromJournal`. */
  batchesInThread(source: ReplaySource): AsyncIterable<ReplayBatch>
  /** See `writeCompacted`. */
  writeCompacted(job: CompactionJob): Promise<number>
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
  /** Events that were read from the store but are not on disk yet. */
  #unwritten: string[] = []
  /** Whether the journal must be rewritten from the contents of the store. */
  #isReplaced = false
  /** Why the last write to the journal failed. */
  #failure: NodeJS.ErrnoException | undefined
  #recovery: Promise<void> | undefined
  #compaction: Promise<void> | undefined

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
    if (this.#failure === undefined) this.#write()
    return this.#failure === undefined
  }

  /** A client that has not set its name yet has not sent any other command either. */
  isExempt(fd: number): boolean {
    const name = this.#clients.nameOf(fd)
    return name === '' || name === ConnectionName.buckets
  }

  /** Worded like Redis's error for its append-only file. */
  get refusal(): string {
    return `MISCONF cannot write ${this.#journal.path}: ${this.#failure?.message}`
  }

  /** Reads the events from the store that were not read before. */
  #take(partition: number): void {
    const log = this.#logs[partition] as HeldLog
    const added = log.readAfter(this.#ends[partition] as LogEnd)
    if (added !== undefined) {
      this.#unwritten.push(...added.events)
      this.#ends[partition] = added.end
    } else if (log.isAnother && this.#isWhole()) this.#takeAll()
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

  /** Whether the store could be restored from what it holds now. */
  #isWhole(): boolean {
    const versions = new VersionChain()
    return this.#logs.every(log => {
      const { compacted, events } = log.readAll()
      return (
        compacted.every(json => versions.acceptCompacted(JSON.parse(json).event) === undefined) &&
        events.every(json => versions.accept(JSON.parse(json)) === undefined)
      )
    })
  }

  #write(): void {
    try {
      if (this.#isReplaced) this.#replace()
      if (this.#unwritten.length > 0) this.#journal.append(this.#unwritten)
      else if (this.#failure !== undefined) this.#journal.requireWritable()
      this.#unwritten = []
      this.#reportRecovery()
    } catch (err) {
      this.#reportFailure(err as NodeJS.ErrnoException)
    }
  }

  #replace(): void {
    this.#restartAt(replaceJournal(this.#journal, this.#logs))
    this.#isReplaced = false
  }

  /** Detects that the journal or its directory was removed, before the next change does. Retries after any failure. */
  #watch(): void {
    if (this.#failure === undefined) {
      try {
        this.#journal.requireWritable()
        return
      } catch (err) {
        this.#reportFailure(err as Error)
      }
    }
    this.#recovery ??= this.#recover()
      .catch(err => this.#reportFailure(err))
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

  #reportFailure(err: NodeJS.ErrnoException): void {
    const { code, message: reason } = err
    if (this.#failure?.message !== reason) {
      const { path } = this.#journal
      this.#options.logger.error({ path, code, reason }, 'the journal cannot be written: changes are refused')
    }
    this.#failure = err
  }

  #reportRecovery(): void {
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#options.logger.info({ path: this.#journal.path }, 'the journal can be written again: changes are accepted')
  }

  /** Journals everything in the store, announced or not. */
  #takeEverything(): void {
    for (const partition of this.#logs.keys()) this.#take(partition)
    this.#write()
  }

  #compare(): void {
    if (this.#failure !== undefined) return
    this.#takeEverything()
    this.#compaction ??= this.#followCompaction()
      .catch(err => this.#options.logger.warn({ err }, 'the journal could not be compacted; it will be retried'))
      .finally(() => {
        this.#compaction = undefined
      })
  }

  /**
   * Compacts a large journal once half of it is compacted in the store, so that each event is rewritten about once. Until then it
   * holds more than the store, which is harmless.
   */
  async #followCompaction(): Promise<void> {
    const { header, entryCount: before } = this.#journal
    const compactedTo = this.#logs.map(log => log.compactedTo)
    const compacted = compactedTo.reduce((sum, position, i) => sum + position - (header.compactedTo[i] ?? 0), 0)
    if (compacted === 0 || (2 * compacted < before && !this.#isSmall)) return
    await this.#journal.compact({ ...header, compactedTo }, this.#options.writeCompacted)
    this.#options.logger.info({ before, entries: this.#journal.entryCount }, 'the journal was compacted')
  }

  get #isSmall(): boolean {
    return this.#journal.entryCount <= SMALL_JOURNAL_ENTRIES
  }

  /**
   * Before the store stops.
   * @throws if accepted changes are lost
   */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#watch()
    await this.#recovery
    if (this.#isSmall) this.#compare()
    await this.#compaction
    this.#takeEverything()
    this.#journal.close()
    if (this.#failure !== undefined && this.#hasUnwritten) {
      throw new Error(`accepted changes are not on disk, and are lost: ${this.#failure.message}`)
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
