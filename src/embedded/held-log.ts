import { randomUUID } from 'node:crypto'
import { inChunks } from '../lib/keyed-chunks.ts'
import type { ConfigKeys } from '../redis/keys.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import type { LogEnd } from './replay.ts'

const ALL = Number.MAX_SAFE_INTEGER

/** Entries of a stream as they are replied: an id, and its fields and values in turn. */
type StreamReply = [id: string, fields: [name: string, event: string]][]

/** Where a partition's log begins. */
export interface LogBeginning {
  readonly identity: string
  readonly compactedTo: number
}

/** What a partition of the store holds. */
export interface HeldPartition extends LogBeginning {
  /** The last event of each key that was compacted, as a journal has it. */
  readonly compacted: readonly string[]
  /** As JSON. */
  readonly events: readonly string[]
  readonly end: LogEnd
}

/** A partition's log in the store's memory, as the process that keeps it on disk sees it. */
export class HeldLog {
  readonly #store: InProcessConnection
  readonly #keys: ConfigKeys
  /** Its value when the log was last read. A rebuild changes it too. */
  #identity: string | null

  constructor(store: InProcessConnection, keys: ConfigKeys) {
    this.#store = store
    this.#keys = keys
    this.#identity = this.#readIdentity()
  }

  #readIdentity(): string | null {
    return this.#store.call('GET', this.#keys.identity) as string | null
  }

  /** Whether this is a new log, begun after the store was emptied, rather than the one that was last read. */
  get isAnother(): boolean {
    return this.#readIdentity() !== this.#identity
  }

  get compactedTo(): number {
    return Number(this.#store.call('GET', this.#keys.compactedTo))
  }

  /** A log that has no identity gets one. */
  readBeginning(): LogBeginning {
    this.#store.call('SET', this.#keys.identity, randomUUID(), 'NX')
    return { identity: this.#readIdentity() as string, compactedTo: this.compactedTo }
  }

  /** As `readAll` has them, in pieces. */
  *readCompacted(): Generator<readonly string[]> {
    const { snapshot } = this.#keys
    const keys = this.#store.call('HKEYS', snapshot) as string[]
    for (const some of inChunks(keys)) yield this.#store.call('HMGET', snapshot, ...some) as string[]
  }

  /** The events after `end`, at most so many, or `undefined` when the log does not continue there. */
  readAfter(end: LogEnd, count = ALL): { events: readonly string[]; end: LogEnd } | undefined {
    const range = [this.#keys.log, `${end.position}-0`, '+', 'COUNT', count] as const
    const found = this.#store.call('XRANGE', ...range) as StreamReply
    const [first] = found
    const isThere = first !== undefined && positionOf(first) === end.position && eventOf(first) === end.event
    const entries = isThere ? found.slice(1) : found
    const next = entries[0]
    // The event at the end may have been compacted since, if another event followed it.
    if (next === undefined ? !isThere && end.event !== null : positionOf(next) !== end.position + 1) return undefined
    this.#identity = this.#readIdentity()
    return { events: entries.map(eventOf), end: endOf(entries) ?? end }
  }

  /** Everything, at one instant. */
  readAll(): HeldPartition {
    const { snapshot, log } = this.#keys
    const beginning = this.readBeginning()
    const [compacted, entries] = this.#store.pipeline([
      ['HVALS', snapshot],
      ['XRANGE', log, '-', '+'],
    ]) as [string[], StreamReply]
    this.#identity = beginning.identity
    const end = endOf(entries) ?? { position: beginning.compactedTo, event: null }
    return { ...beginning, compacted, events: entries.map(eventOf), end }
  }
}

function eventOf([, [, event]]: StreamReply[number]): string {
  return event
}

function positionOf([id]: StreamReply[number]): number {
  return Number.parseInt(id, 10)
}

function endOf(entries: StreamReply): LogEnd | undefined {
  const last = entries.at(-1)
  return last && { position: positionOf(last), event: eventOf(last) }
}
