import { randomUUID } from 'node:crypto'
import type { ConfigKeys } from '../redis/keys.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import type { LogEnd } from './replay.ts'

/** Stream entries as in a reply: an id, then alternating fields and values. */
type StreamReply = [id: string, fields: [name: string, event: string]][]

/** The contents of one partition of the store. */
export interface HeldPartition {
  readonly identity: string
  readonly compactedTo: number
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

  /** The events after `end`, or `undefined` if the log does not continue there. */
  readAfter(end: LogEnd): { events: readonly string[]; end: LogEnd } | undefined {
    const found = this.#store.call('XRANGE', this.#keys.log, `${end.position}-0`, '+') as StreamReply
    const [first] = found
    const isThere = first !== undefined && positionOf(first) === end.position && eventOf(first) === end.event
    const entries = isThere ? found.slice(1) : found
    const next = entries[0]
    // The event at the end may have been compacted since, if another event followed it.
    if (next === undefined ? !isThere && end.event !== null : positionOf(next) !== end.position + 1) return undefined
    this.#identity = this.#readIdentity()
    return { events: entries.map(eventOf), end: endOf(entries) ?? end }
  }

  /** Reads everything in one atomic step. Gives the log an identity if it has none. */
  readAll(): HeldPartition {
    const { identity, compactedTo, snapshot, log } = this.#keys
    this.#store.call('SET', identity, randomUUID(), 'NX')
    const [id, position, values, entries] = this.#store.pipeline([
      ['GET', identity],
      ['GET', compactedTo],
      ['HVALS', snapshot],
      ['XRANGE', log, '-', '+'],
    ]) as [string, string | null, string[], StreamReply]
    this.#identity = id
    return {
      identity: id,
      compactedTo: Number(position),
      compacted: values,
      events: entries.map(eventOf),
      end: endOf(entries) ?? { position: Number(position), event: null },
    }
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
