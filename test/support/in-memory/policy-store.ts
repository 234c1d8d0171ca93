import { randomUUID } from 'node:crypto'
import { DamagedRecord } from '../../../src/config-change/damaged-store.ts'
import {
  type Announcement,
  type Announcements,
  type EventLog,
  type LogPosition,
  type LogRead,
  LogReplaced,
  type PolicyChunk,
} from '../../../src/config-change/log-ports.ts'
import type {
  AppendResult,
  CommandEnd,
  CommandStore,
  DueEnd,
  EndReader,
  ImportProgress,
  ImportStep,
  KeyChange,
  KeyRange,
  Lease,
  ListQuery,
  PolicyReader,
  ResultReader,
  StateReader,
} from '../../../src/config-change/ports.ts'
import { type CommandId, partitionOf } from '../../../src/domain/command-id.ts'
import { evolve, initialState, type PolicyState } from '../../../src/domain/decider.ts'
import type { PolicyEvent } from '../../../src/domain/events.ts'
import { prefixOf } from '../../../src/domain/key.ts'
import type { CommandResult, FailedCommand, Outcome } from '../../../src/domain/outcome.ts'
import { CONFIG_PARTITIONS, configPartition } from '../../../src/domain/partition.ts'
import { type PolicyRecord, recordAt, recordOf } from '../../../src/domain/policy-record.ts'
import { hasEnded } from '../../../src/domain/temporary-policy.ts'

/** Appends without a worker, as in the Redis adapter. */
const NO_LEASE = ''
const EVENTS_PER_READ = 500
const KEYS_PER_CHUNK = 100

interface Log {
  identity: string | null
  /** The event at position n has the index n - 1. */
  events: readonly PolicyEvent[]
}

interface Append {
  readonly id: CommandId
  readonly lease: Lease
  readonly from: ImportProgress | undefined
  readonly changes: readonly KeyChange[]
}

/** The event logs of a policy store, and everything that is derived from them, in memory. Nothing expires. */
export class InMemoryPolicyStore
  implements CommandStore, ResultReader, StateReader, EndReader, PolicyReader, EventLog, Announcements
{
  readonly #logs: readonly Log[] = Array.from({ length: CONFIG_PARTITIONS }, () => ({ identity: null, events: [] }))
  readonly #outcomes = new Map<CommandId, Outcome>()
  readonly #failures = new Map<CommandId, FailedCommand>()
  readonly #progress = new Map<CommandId, ImportProgress>()
  readonly #leases = new Map<CommandId, Lease>()
  readonly #damagedKeys = new Set<string>()
  readonly #listeners: ((announcement: Announcement) => void)[] = []
  readonly #now: () => number

  /** @param now in ms since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Gives a worker the lease of a command, as the queue does. */
  lend(id: CommandId, lease: Lease): void {
    this.#leases.set(id, lease)
  }

  damagePolicy(key: string): void {
    this.#damagedKeys.add(key)
  }

  /** Replaces a partition's log by an empty one. */
  replaceLog(partition: number): void {
    Object.assign(this.#logOf(partition), { identity: randomUUID(), events: [] })
  }

  forgetProgress(partIds: readonly CommandId[]): void {
    for (const id of partIds) this.#progress.delete(id)
  }

  async append({ outcome, lease, from, change }: CommandEnd): Promise<AppendResult> {
    const { id } = outcome
    return this.#appendAll({ id, lease, from, changes: change ? [change] : [] }, () => {
      this.#outcomes.set(id, outcome)
      this.#announce({ partition: partitionOf(id), result: outcome })
    })
  }

  async appendChunk({ partId, lease, from, to, changes }: ImportStep): Promise<AppendResult> {
    return this.#appendAll({ id: partId, lease, from, changes }, () => {
      this.#progress.set(partId, to)
      this.#announce({ partition: partitionOf(partId) })
    })
  }

  async #appendAll({ id, lease, from, changes }: Append, record: () => void): Promise<AppendResult> {
    const outcome = this.#outcomes.get(id)
    if (outcome !== undefined) return { kind: 'ended', outcome }
    if (lease !== NO_LEASE && this.#leases.get(id) !== lease) return { kind: 'lease-lost' }
    const progress = this.#progress.get(id)
    if (JSON.stringify(progress) !== JSON.stringify(from)) return { kind: 'progressed', progress }
    const mismatch = changes.find(({ key, expectedVersion }) => this.#stateOf(key).version !== expectedVersion)
    if (mismatch !== undefined) {
      const { key, expectedVersion } = mismatch
      return { kind: 'moved-on', mismatch: { key, expectedVersion } }
    }
    const log = this.#logOf(partitionOf(id))
    log.identity ??= randomUUID()
    for (const { event } of changes) {
      if (event === undefined) continue
      log.events = [...log.events, event]
      this.#damagedKeys.delete(event.key)
    }
    record()
    return { kind: 'appended' }
  }

  async outcome(id: CommandId): Promise<Outcome | undefined> {
    return this.#outcomes.get(id)
  }

  async progress(partId: CommandId): Promise<ImportProgress | undefined> {
    return this.#progress.get(partId)
  }

  async failure(id: CommandId): Promise<FailedCommand | undefined> {
    return this.#failures.get(id)
  }

  async recordFailure(failure: FailedCommand, lease: Lease): Promise<boolean> {
    const { id } = failure
    if (this.#outcomes.has(id) || this.#leases.get(id) !== lease) return false
    this.#failures.set(id, failure)
    return true
  }

  async extendRetention(): Promise<void> {}

  async announceFailure(id: CommandId): Promise<void> {
    const result = this.#failures.get(id)
    if (result !== undefined) this.#announce({ partition: partitionOf(id), result })
  }

  async result(id: CommandId): Promise<CommandResult | undefined> {
    return this.#outcomes.get(id) ?? this.#failures.get(id)
  }

  async state(key: string): Promise<PolicyState> {
    const state = this.#stateOf(key)
    return this.#damagedKeys.has(key) ? { ...state, isDamaged: true } : state
  }

  async states(keys: readonly string[]): Promise<readonly PolicyState[]> {
    return Promise.all(keys.map(key => this.state(key)))
  }

  async version(key: string, version: number): Promise<PolicyEvent | undefined> {
    return this.#eventsOf(key).find(event => event.version === version)
  }

  async keyRevision(key: string): Promise<number> {
    return this.#stateOf(key).version
  }

  async partitionRevision(partition: number): Promise<number> {
    return this.#logOf(partition).events.length
  }

  async lastPositions(keys: readonly string[]): Promise<readonly number[]> {
    return keys.map(key => 1 + this.#logOf(configPartition(key)).events.findLastIndex(event => event.key === key))
  }

  async *keys({ prefix, after, partition }: KeyRange): AsyncGenerator<readonly string[]> {
    const isWanted = (key: string) =>
      key.startsWith(prefix) &&
      (after === undefined || compareBytes(key, after) > 0) &&
      (partition === undefined || configPartition(key) === partition) &&
      this.#stateOf(key).policy !== null
    const keys = this.#keys(isWanted)
    for (let i = 0; i < keys.length; i += KEYS_PER_CHUNK) yield keys.slice(i, i + KEYS_PER_CHUNK)
  }

  async get(key: string): Promise<PolicyRecord | undefined> {
    if (this.#damagedKeys.has(key)) throw new DamagedRecord(`the policy of ${key} is damaged`)
    const record = this.#recordOf(key)
    return record && recordAt(record, this.#now())
  }

  async dueEnds(partition: number, limit: number): Promise<readonly DueEnd[]> {
    const nowMs = this.#now()
    const keys = [...new Set(this.#logOf(partition).events.map(({ key }) => key))]
    const due = keys
      .map(key => ({ key, state: this.#stateOf(key) }))
      .filter(({ state }) => hasEnded(state.policy, nowMs))
    return due.slice(0, limit).map(({ key, state: { version } }) => ({ key, version }))
  }

  async list({ prefix, after, limit }: ListQuery): Promise<readonly PolicyRecord[]> {
    const isWanted = (key: string) => key.startsWith(prefix) && (after === undefined || compareBytes(key, after) > 0)
    return this.#present(isWanted).slice(0, limit)
  }

  async *all(): AsyncGenerator<readonly PolicyRecord[]> {
    yield this.#present(() => true)
  }

  async history(key: string, { after, limit }: { after: number; limit: number }): Promise<readonly PolicyEvent[]> {
    return this.#eventsOf(key)
      .filter(({ version }) => version > after)
      .slice(0, limit)
  }

  async countInside(configKey: string): Promise<number> {
    const prefix = prefixOf(configKey)
    if (prefix === undefined) return 0
    return this.#present(key => key !== configKey && key.startsWith(prefix)).length
  }

  async snapshot(partition: number): Promise<{ at: LogPosition; chunks: AsyncIterable<PolicyChunk> }> {
    const at = this.#positionAt(partition, this.#logOf(partition).events.length)
    const records = this.#records(key => configPartition(key) === partition)
    return { at, chunks: inOneChunk({ records, logEnd: at }) }
  }

  async read(partition: number, after: LogPosition): Promise<LogRead> {
    const { identity, events } = this.#logOf(partition)
    if (after.identity !== null && after.identity !== identity) throw new LogReplaced('the log has another identity')
    const read = events.slice(after.position, after.position + EVENTS_PER_READ)
    const position = after.position + read.length
    return {
      at: this.#positionAt(partition, position),
      entries: read.map((event, i) => ({ position: after.position + i + 1, event })),
      hasMore: position < events.length,
      logEvents: events.length,
    }
  }

  subscribe(listener: Parameters<Announcements['subscribe']>[0]): void {
    this.#listeners.push(announcement => listener.announced(announcement))
    listener.reconnected()
  }

  #announce(announcement: Announcement): void {
    for (const listener of this.#listeners) listener(announcement)
  }

  #logOf(partition: number): Log {
    const log = this.#logs[partition]
    if (log === undefined) throw new RangeError(`the store has no partition ${partition}`)
    return log
  }

  #positionAt(partition: number, position: number): LogPosition {
    const { identity, events } = this.#logOf(partition)
    const event = events[position - 1]
    return { identity, position, eventMark: event === undefined ? null : JSON.stringify(event) }
  }

  #eventsOf(key: string): readonly PolicyEvent[] {
    return this.#logOf(configPartition(key)).events.filter(event => event.key === key)
  }

  #stateOf(key: string): PolicyState {
    return this.#eventsOf(key).reduce(evolve, initialState)
  }

  #recordOf(key: string): PolicyRecord | undefined {
    const last = this.#eventsOf(key).at(-1)
    return last && recordOf(last)
  }

  /** As `#records`, as they are now. */
  #present(isWanted: (key: string) => boolean): readonly PolicyRecord[] {
    return this.#records(isWanted).flatMap(record => recordAt(record, this.#now()) ?? [])
  }

  /** The readable policies of these keys as they are stored, in byte order. */
  #records(isWanted: (key: string) => boolean): readonly PolicyRecord[] {
    return this.#keys(key => isWanted(key) && !this.#damagedKeys.has(key)).flatMap(key => this.#recordOf(key) ?? [])
  }

  /** The keys of events, in byte order. */
  #keys(isWanted: (key: string) => boolean): readonly string[] {
    const keys = new Set(this.#logs.flatMap(({ events }) => events.map(({ key }) => key)))
    return [...keys].filter(isWanted).toSorted(compareBytes)
  }
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

async function* inOneChunk<Chunk>(chunk: Chunk): AsyncGenerator<Chunk> {
  yield chunk
}
