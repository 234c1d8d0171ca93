import { randomUUID } from 'node:crypto'
import { inChunks } from '../lib/keyed-chunks.ts'
import type { ConfigKeys } from '../redis/keys.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import type { LogEnd } from './log-end.ts'
import { VersionChain } from './version-chain.ts'

const ALL = Number.MAX_SAFE_INTEGER

/** Stream entries of a reply: an id, then alternating fields and values. */
type StreamReply = [id: string, fields: [name: string, event: string]][]

/** The start of a partition's log. */
export interface LogBeginning {
  readonly identity: string
  readonly compactedTo: number
}

/** The contents of one partition of the store. */
export interface HeldPartition extends LogBeginning {
  /** The last compacted event of each key, as in a journal. */
  readonly compacted: readonly string[]
  /** As JSON. */
  readonly events: readonly string[]
  readonly end: LogEnd
}

/** A partition's log in the store's memory, read to keep it on disk. */
export class HeldLog {
  readonly #store: InProcessConnection
  readonly #keys: ConfigKeys
  /** The identity at the last read. A rebuild changes it too. */
  #identity: string | null

  constructor(store: InProcessConnection, keys: ConfigKeys) {
    this.#store = store
    this.#keys = keys
    this.#identity = this.#readIdentity()
  }

  #readIdentity(): string | null {
    return this.#store.call('GET', this.#keys.identity) as string | null
  }

  /** Whether this is a new log, started after the store was emptied, and not the one that was read last. */
  get isAnother(): boolean {
    return this.#readIdentity() !== this.#identity
  }

  get compactedTo(): number {
    return Number(this.#store.call('GET', this.#keys.compactedTo))
  }

  /** Reads the start of the log, and gives the log an identity if it has none. */
  readBeginning(): LogBeginning {
    this.#store.call('SET', this.#keys.identity, randomUUID(), 'NX')
    return { identity: this.#readIdentity() as string, compactedTo: this.compactedTo }
  }

  /** Reads the compacted events in pieces. */
  *readCompacted(): Generator<readonly string[]> {
    const { snapshot } = this.#keys
    const keys = this.#store.call('HKEYS', snapshot) as string[]
    for (const some of inChunks(keys)) yield this.#store.call('HMGET', snapshot, ...some) as string[]
  }

  /** At most `count` events after `end`; `undefined` if the log does not continue there. */
  readAfter(end: LogEnd, count = ALL): { events: readonly string[]; end: LogEnd } | undefined {
    const range = [this.#keys.log, `${end.position}-0`, '+', 'COUNT', count] as const
    const found = this.#store.call('XRANGE', ...range) as StreamReply
    const [first] = found
    const isThere = first !== undefined && positionOf(first) === end.position && eventOf(first) === end.event
    const entries = isThere ? found.slice(1) : found
    const next = entries[0]
    // The event at the end may have been compacted, if another event followed it.
    if (next === undefined ? !isThere && end.event !== null : positionOf(next) !== end.position + 1) return undefined
    this.#identity = this.#readIdentity()
    return { events: entries.map(eventOf), end: endOf(entries) ?? end }
  }

  /** Reads everything in one atomic step. */
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

/** The positions up to which these logs are compacted; `undefined` if another program has damaged one. */
export function compactedPositions(logs: readonly Pick<HeldLog, 'compactedTo'>[]): readonly number[] | undefined {
  try {
    const positions = logs.map(log => log.compactedTo)
    return positions.every(position => Number.isSafeInteger(position) && position >= 0) ? positions : undefined
  } catch {
    return undefined
  }
}

/** Whether the store could be restored from what these logs hold now. */
export function areWhole(logs: readonly HeldLog[]): boolean {
  const versions = new VersionChain()
  return logs.every(log => {
    const { compacted, events } = log.readAll()
    return (
      compacted.every(json => versions.acceptCompacted(JSON.parse(json).event) === undefined) &&
      events.every(json => versions.accept(JSON.parse(json)) === undefined)
    )
  })
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
