import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { LogEntry } from '../config-change/ports.ts'
import { partitionOfCommand } from '../domain/commands.ts'
import type { PolicyEvent } from '../domain/events.ts'
import type { AppliedCommand } from '../domain/outcome.ts'
import { CONFIG_PARTITIONS, configPartition } from '../domain/partition.ts'
import type { Logger } from '../logger.ts'
import { eventArguments, FENCE_MS, recordJson } from '../redis/append.ts'
import type { ScriptArguments } from '../redis/define-script.ts'
import { announcementChannel, ConfigKeys, reservationKey } from '../redis/keys.ts'
import type { RetentionOptions } from '../redis/retention.ts'
import { appendScript } from '../redis/scripts.ts'
import type { InProcessConnection, Reply } from './in-process-connection.ts'
import { Journal, type JournalContent } from './journal.ts'

/** How often it is looked whether the log was compacted, ms. Until then the journal holds more than the log, which does no harm. */
const COMPACTION_CHECK_MS = 10_000

interface DurableLogOptions extends RetentionOptions {
  readonly dataDir: string
  readonly logger: Logger
}

/** Entries of a stream as they are replied: an id, and its fields and values in turn. */
type StreamReply = [id: string, fields: [name: string, event: string]][]

/** Keeps the event logs of the embedded store on disk: fills the store from the journal, then journals each event. */
export class DurableLog {
  readonly #options: DurableLogOptions
  readonly #commands: InProcessConnection
  readonly #announcements: InProcessConnection
  readonly #journal: Journal
  readonly #identities: readonly string[]
  readonly #partitions: readonly ConfigKeys[]
  readonly #compactionCheck: NodeJS.Timeout
  #compactedTo: readonly number[]
  /** How far each partition's log is on disk. */
  readonly #positions: number[]

  constructor(commands: InProcessConnection, announcements: InProcessConnection, options: DurableLogOptions) {
    this.#options = options
    this.#commands = commands
    this.#announcements = announcements
    this.#partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => new ConfigKeys(options.keyPrefix, n))
    const identities = this.#partitions.map(() => randomUUID())
    const { journal, content } = Journal.open(join(options.dataDir, 'journal.ndjson'), identities, options.logger)
    this.#journal = journal
    this.#identities = content.identities
    this.#compactedTo = content.compactedTo
    this.#positions = [...content.compactedTo]
    this.#fill(content)
    announcements.call('SUBSCRIBE', announcementChannel(options.keyPrefix))
    this.#compactionCheck = setInterval(() => this.followCompaction(), COMPACTION_CHECK_MS)
  }

  #fill({ identities, compactedTo, snapshot, events }: JournalContent): void {
    for (const [partition, keys] of this.#partitions.entries()) {
      this.#commands.call('SET', keys.identity, identities[partition] ?? '')
      this.#commands.call('SET', keys.compactedTo, compactedTo[partition] ?? 0)
    }
    for (const entry of snapshot) this.#restore(entry)
    this.#replay(events)
    for (const [partition, { log }] of this.#partitions.entries()) {
      const last = this.#commands.call('XREVRANGE', log, '+', '-', 'COUNT', 1) as StreamReply
      this.#positions[partition] = lastPosition(last, this.#positions[partition] ?? 0)
    }
    const { logger } = this.#options
    if (events.length > 0)
      logger.info({ events: events.length, compacted: snapshot.length }, 'the journal was replayed')
  }

  #restore(entry: LogEntry): void {
    const { position, event } = entry
    const { key, version } = event
    const keys = this.#keysOf(key)
    this.#commands.call('HSET', keys.snapshot, key, JSON.stringify(entry))
    this.#commands.call('ZADD', keys.versions(key), version, position)
    this.#recall(event)
    if (event.policy === null) return
    this.#commands.call('HSET', keys.policies, key, recordJson(event))
    this.#commands.call('ZADD', keys.names, 0, key)
  }

  /** How the command of a compacted event ended, and under which name it had been asked for, while that is kept. */
  #recall(event: PolicyEvent): void {
    const outcome = outcomeOf(event)
    const keptForMs = keptFor(event.at, this.#options.retentionMs)
    if (outcome === undefined || keptForMs <= 0) return
    const key = this.#keysOf(event.key).outcome(outcome.id)
    this.#commands.call('SET', key, JSON.stringify(outcome), 'PX', keptForMs + FENCE_MS)
    this.#reserve(event)
  }

  #replay(events: readonly PolicyEvent[]): void {
    const { keyPrefix, retentionMs } = this.#options
    const script = String(this.#commands.call('SCRIPT', 'LOAD', appendScript.lua))
    for (const event of events) {
      this.#commands.call('EVALSHA', script, ...replayArguments(event, { keyPrefix, retentionMs }))
      this.#reserve(event)
    }
  }

  /** Under which name the command had been asked for, while that is kept. */
  #reserve({ actor, commandId, idempotency, at }: PolicyEvent): void {
    const keptForMs = keptFor(at, this.#options.retentionMs)
    if (idempotency === undefined || keptForMs <= 0) return
    const { key, fingerprint } = idempotency
    const name = reservationKey(this.#options.keyPrefix, { actor, key })
    this.#commands.call('SET', name, JSON.stringify({ commandId, fingerprint, isEnded: true }), 'PX', keptForMs)
  }

  /** Writes what was announced since the last time. */
  sync(): void {
    const announced = new Set(this.#announcements.takePushed().map(partitionOf))
    for (const partition of this.#partitions.keys()) {
      if (announced.has(partition)) this.#journal.append(this.#takeNew(partition))
    }
  }

  /** The events as JSON that are not on disk yet; from now on they count as if they were. */
  #takeNew(partition: number): string[] {
    const { log } = this.#partitions[partition] as ConfigKeys
    const entries = this.#commands.call('XRANGE', log, `(${this.#positions[partition]}-0`, '+') as StreamReply
    this.#positions[partition] = lastPosition(entries, this.#positions[partition] ?? 0)
    return entries.map(eventOf)
  }

  /** Makes the journal as short as the log, once that was compacted. */
  followCompaction(): void {
    const compactedTo = this.#partitions.map(keys => Number(this.#commands.call('GET', keys.compactedTo)))
    if (compactedTo.every((position, partition) => position === this.#compactedTo[partition])) return
    const contents = this.#partitions.map(keys => this.#read(keys))
    this.#compactedTo = contents.map(content => content.compactedTo)
    const snapshot = contents.flatMap(content => content.snapshot)
    const events = contents.flatMap(({ entries }) => entries.map(eventOf))
    this.#journal.replace(this.#identities, this.#compactedTo, snapshot, events)
    for (const [partition, content] of contents.entries()) {
      this.#positions[partition] = lastPosition(content.entries, content.compactedTo)
    }
    this.#options.logger.info({ compacted: snapshot.length, events: events.length }, 'the journal was compacted')
  }

  /** A partition at one instant: other commands may run between two calls. */
  #read({ compactedTo, snapshot, log }: ConfigKeys) {
    this.#commands.call('MULTI')
    this.#commands.call('GET', compactedTo)
    this.#commands.call('HVALS', snapshot)
    this.#commands.call('XRANGE', log, '-', '+')
    const [position, values, entries] = this.#commands.call('EXEC') as [string, string[], StreamReply]
    return { compactedTo: Number(position), snapshot: values, entries }
  }

  #keysOf(configKey: string): ConfigKeys {
    return this.#partitions[configPartition(configKey)] as ConfigKeys
  }

  close(): void {
    clearInterval(this.#compactionCheck)
    this.#journal.close()
  }
}

/** The append of an event, with its command's outcome while that is kept. */
function replayArguments(event: PolicyEvent, options: RetentionOptions): ScriptArguments {
  const retentionMs = keptFor(event.at, options.retentionMs)
  return eventArguments(event, retentionMs > 0 ? outcomeOf(event) : undefined, { ...options, retentionMs })
}

/** How the event's command ended; `undefined` for one of the many keys of an import. */
function outcomeOf({ commandId: id, key, version, type }: PolicyEvent): AppliedCommand | undefined {
  if (partitionOfCommand(id) === undefined) return undefined
  const effect = type === 'created' || type === 'deleted' ? type : 'changed'
  return { id, key, status: 'applied', version, effect }
}

function keptFor(at: string, retentionMs: number): number {
  return Date.parse(at) + retentionMs - Date.now()
}

function eventOf([, [, event]]: StreamReply[number]): string {
  return event
}

function lastPosition(entries: StreamReply, otherwise: number): number {
  const last = entries.at(-1)
  return last === undefined ? otherwise : Number.parseInt(last[0], 10)
}

/** An announcement arrives as `['message', channel, '<partition> …']`; what somebody else published is of no partition. */
function partitionOf(pushed: Reply | Error): number {
  return Array.isArray(pushed) ? Number.parseInt(String(pushed[2]), 10) : Number.NaN
}
