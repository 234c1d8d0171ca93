import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { partitionOfCommand } from '../domain/commands.ts'
import type { PolicyEvent } from '../domain/events.ts'
import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { Logger } from '../logger.ts'
import { type AppendArguments, type AppendOptions, eventArguments, outcomeArguments } from '../redis/append.ts'
import { announcementChannel, ConfigKeys, reservationKey } from '../redis/keys.ts'
import { appendScript } from '../redis/scripts.ts'
import type { InProcessConnection, Reply } from './in-process-connection.ts'
import { Journal } from './journal.ts'

interface DurableLogOptions {
  readonly dataDir: string
  readonly keyPrefix: string
  readonly retentionMs: number
  readonly logger: Logger
}

/** Keeps the event logs of the embedded store on disk: fills the store from the journal, then journals each event. */
export class DurableLog {
  readonly #options: DurableLogOptions
  readonly #commands: InProcessConnection
  readonly #announcements: InProcessConnection
  readonly #journal: Journal
  /** How far each partition's log is on disk. */
  readonly #positions: number[] = []

  constructor(commands: InProcessConnection, announcements: InProcessConnection, options: DurableLogOptions) {
    this.#options = options
    this.#commands = commands
    this.#announcements = announcements
    const identities = Array.from({ length: CONFIG_PARTITIONS }, () => randomUUID())
    const { journal, events } = Journal.open(join(options.dataDir, 'journal.ndjson'), identities, options.logger)
    this.#journal = journal
    this.#replay(events)
    announcements.call('SUBSCRIBE', announcementChannel(options.keyPrefix))
  }

  #replay(events: readonly PolicyEvent[]): void {
    const { keyPrefix, retentionMs, logger } = this.#options
    for (const [partition, identity] of this.#journal.identities.entries()) {
      this.#commands.call('SET', new ConfigKeys(keyPrefix, partition).identity, identity)
      this.#positions.push(0)
    }
    const script = String(this.#commands.call('SCRIPT', 'LOAD', appendScript.lua))
    for (const event of events) {
      this.#commands.call('EVALSHA', script, ...replayArguments(event, { keyPrefix, retentionMs }))
      this.#reserve(event)
    }
    for (const partition of this.#positions.keys()) this.#positions[partition] = this.#readFrom(partition).length
    if (events.length > 0) logger.info({ events: events.length }, 'the journal was replayed')
  }

  /** Under which name the command had been asked for, while that is kept. */
  #reserve({ actor, commandId, idempotency, at }: PolicyEvent): void {
    const keptForMs = keptFor(at, this.#options.retentionMs)
    if (idempotency === undefined || keptForMs <= 0) return
    const { key, fingerprint } = idempotency
    const name = reservationKey(this.#options.keyPrefix, { actor, key })
    this.#commands.call('SET', name, JSON.stringify({ commandId, fingerprint }), 'PX', keptForMs)
  }

  /** Writes what was announced since the last time. */
  sync(): void {
    const announced = new Set(this.#announcements.takePushed().map(partitionOf))
    for (const partition of announced) {
      const events = this.#readFrom(partition)
      this.#journal.append(events)
      this.#positions[partition] = (this.#positions[partition] ?? 0) + events.length
    }
  }

  /** The events as JSON that are not on disk yet. */
  #readFrom(partition: number): string[] {
    const { log } = new ConfigKeys(this.#options.keyPrefix, partition)
    const entries = this.#commands.call('XRANGE', log, `(${this.#positions[partition]}-0`, '+') as [string, string[]][]
    return entries.map(([, [, event = '']]) => event)
  }

  close(): void {
    this.#journal.close()
  }
}

/** The append of an event, with its command's outcome while that is kept. */
function replayArguments(event: PolicyEvent, options: AppendOptions): AppendArguments {
  const { commandId: id, key, version, type } = event
  const retentionMs = keptFor(event.at, options.retentionMs)
  if (partitionOfCommand(id) === undefined || retentionMs <= 0) return eventArguments(event, options)
  const effect = type === 'created' || type === 'deleted' ? type : 'changed'
  const outcome = { id, key, status: 'applied', version, effect } as const
  return outcomeArguments(outcome, { key, expectedVersion: version - 1, event }, { ...options, retentionMs })
}

function keptFor(at: string, retentionMs: number): number {
  return Date.parse(at) + retentionMs - Date.now()
}

/** An announcement arrives as `['message', channel, '<partition> …']`. */
function partitionOf(pushed: Reply | Error): number {
  return Array.isArray(pushed) ? Number.parseInt(String(pushed[2]), 10) : Number.NaN
}
