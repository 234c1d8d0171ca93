import { setImmediate as nextTurn } from 'node:timers/promises'
import { ConfigKeys } from '../redis/keys.ts'
import { eventMark, parseEntry, type StreamEntry } from '../redis/policies/config-json.ts'
import { foldArguments } from '../redis/policies/fold-arguments.ts'
import { foldScript } from '../redis/scripts.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import type { LogEnd } from './log-end.ts'
import { memoryOf } from './memory-of.ts'
import type { ReplayBatch, ReplaySource } from './replay-batches.ts'

/** Also how many more events than are to be kept a log has before it is compacted. */
const EVENTS_PER_STEP = 500

/** The part of the store's memory from which on the logs are compacted. Below, that would only make a start slower. */
const SHORT_FROM = 0.75

/**
 * Compacts the logs while they are replayed, if memory is short: as far as they were compacted when the journal was written, so that the
 * store needs no more memory than it needed then, and to the newest events that the settings keep.
 */
export class ReplayedCompaction {
  readonly #store: InProcessConnection
  readonly #partitions: readonly Partition[]
  readonly #keep: number

  /** @param keep events of each partition; all by default */
  constructor(
    store: InProcessConnection,
    { keyPrefix, header }: Pick<ReplaySource, 'keyPrefix' | 'header'>,
    keep = Number.POSITIVE_INFINITY,
  ) {
    this.#store = store
    this.#keep = keep
    this.#partitions = header.identities.map((identity, n) => ({
      keys: new ConfigKeys(keyPrefix, n),
      identity,
      compactedTo: header.compactedTo[n] as number,
    }))
  }

  /** Called after each batch. Between two steps, the process does other work. */
  async compact({ compactedTo, ends }: Pick<ReplayBatch, 'compactedTo' | 'ends'>): Promise<void> {
    if (!this.#isMemoryShort()) return
    for (const [n, partition] of this.#partitions.entries()) {
      const end = ends[n] as LogEnd
      const excess = end.position - this.#keep
      const kept = excess - partition.compactedTo >= EVENTS_PER_STEP ? excess : 0
      // As in a compaction by a worker, the last event stays.
      const to = Math.min(Math.max(compactedTo[n] as number, kept), end.position - 1)
      while (partition.compactedTo < to) {
        this.#step(partition, end, to)
        await nextTurn()
      }
    }
  }

  #isMemoryShort(): boolean {
    const { used, max } = memoryOf(this.#store)
    return used >= SHORT_FROM * max
  }

  #step(partition: Partition, { position: last, event }: LogEnd, to: number): void {
    const { keys, identity, compactedTo } = partition
    const range = [keys.log, '-', `${to}-0`, 'COUNT', EVENTS_PER_STEP] as const
    const entries = (this.#store.call('XRANGE', ...range) as StreamEntry[]).map(parseEntry)
    const lastEventMark = event === null ? null : eventMark(['', ['event', event]])
    const bounds = { identity, compactedTo, last, lastEventMark }
    const isDone = this.#store.call('EVAL', foldScript.lua, ...foldArguments(keys, bounds, entries))
    if (isDone !== 1) throw new Error(`the store refuses to compact its log after position ${compactedTo}`)
    partition.compactedTo = entries.at(-1)?.position ?? to
  }
}

interface Partition {
  readonly keys: ConfigKeys
  readonly identity: string
  compactedTo: number
}
