import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { PolicyEvent } from '../domain/events.ts'
import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { Logger } from '../logger.ts'
import { appendArguments } from '../redis/config-store.ts'
import { announcementChannel, ConfigKeys } from '../redis/keys.ts'
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
      const { commandId: id, key, version, type: effect } = event
      const outcome = { id, key, status: 'applied', version, effect } as const
      const keptFor = Math.max(1, Date.parse(event.at) + retentionMs - Date.now())
      const append = { expectedVersion: version - 1, event, outcome }
      this.#commands.call('EVALSHA', script, ...appendArguments(append, { keyPrefix, retentionMs: keptFor }))
    }
    for (const partition of this.#positions.keys()) this.#positions[partition] = this.#readFrom(partition).length
    if (events.length > 0) logger.info({ events: events.length }, 'the journal was replayed')
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

/** An announcement arrives as `['message', channel, '<partition> …']`. */
function partitionOf(pushed: Reply | Error): number {
  return Array.isArray(pushed) ? Number.parseInt(String(pushed[2]), 10) : Number.NaN
}
