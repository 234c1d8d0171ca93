import type { Logger } from '../observability/logger.ts'
import { evictablePrefixes } from '../redis/keys.ts'
import { evictBucketsScript } from '../redis/scripts.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import { memoryOf } from './memory-of.ts'

/** Interval at which the memory is looked at, in ms. In that time, checks fill a small part of what is kept free. */
const INTERVAL_MS = 50

/** Bytes of memory from which on it can be nearly full. Only then is the store asked. */
const LARGE_BYTES = 1_024 * 2 ** 20

/** Bytes below the most that the store may use which are kept free. */
const FREE_BYTES = 32 * 2 ** 20

const KEYS_PER_CALL = 1_000

/** How long an eviction takes in one turn of the event loop, in ms. */
const TURN_MS = 5
const MAX_TURN_MS = 40

/**
 * Share of the buckets it looks at that an eviction deletes. To look at one takes longer than to delete it. So a larger share makes room
 * faster, but deletes more of the buckets that would not be full soon.
 */
const SHARE = 0.25
const LARGE_SHARE = 0.75

/** If a look at all keys evicts so few, it is not buckets that fill the memory. */
const FEW_EVICTED = 500

interface BucketEvictionOptions {
  readonly store: Pick<InProcessConnection, 'call'>
  readonly keyPrefix: string
  /** The memory that the store has reserved, in bytes. */
  memoryBytes(): number
  readonly logger: Logger
}

/**
 * Makes room for new buckets once the memory is nearly full: the buckets that would be full first, and the records of reservations that
 * end first, are deleted. Valkey cannot do that by itself: it would also delete the outcomes of commands and the locks of the queues, which
 * expire too. If policies fill the memory, the buckets stay, since few of them make no room. The store then refuses all writes until there
 * is room, rather than those that happen to be too large.
 */
export class BucketEviction {
  readonly #options: BucketEvictionOptions
  readonly #prefixes: readonly string[]
  readonly #timer: NodeJS.Timeout
  /** The next turn of an eviction that has not ended. */
  #nextTurn: NodeJS.Immediate | undefined
  #cursor = '0'
  /** Deleted since the first key was looked at. */
  #evicted = 0
  /** The most that the store may use, in bytes, if it refuses writes before. */
  #maxBytes: number | undefined

  constructor(options: BucketEvictionOptions) {
    this.#options = options
    this.#prefixes = evictablePrefixes(options.keyPrefix)
    this.#timer = setInterval(() => {
      if (this.#nextTurn === undefined) this.#look()
    }, INTERVAL_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    clearImmediate(this.#nextTurn)
  }

  #look(): void {
    if (this.#options.memoryBytes() < LARGE_BYTES) return
    if (this.#maxBytes === undefined) this.#makeRoom()
    else if (memoryOf(this.#options.store).used < this.#maxBytes - 2 * FREE_BYTES) this.#acceptWrites(this.#maxBytes)
  }

  #makeRoom(): void {
    const beganMs = performance.now()
    let turnMs = TURN_MS
    while (this.#maxBytes === undefined && performance.now() - beganMs < turnMs) {
      const { used, max } = memoryOf(this.#options.store)
      const missing = used - (max - FREE_BYTES)
      if (missing <= 0) return
      const pace = paceFor(missing / FREE_BYTES)
      turnMs = pace.turnMs
      this.#evictSome(max, pace.share)
    }
    // Between two turns, checks are answered.
    this.#nextTurn = setImmediate(() => {
      this.#nextTurn = undefined
      this.#look()
    })
  }

  #evictSome(maxBytes: number, share: number): void {
    const script = ['EVAL', evictBucketsScript.lua, 0, this.#cursor, KEYS_PER_CALL, share, ...this.#prefixes]
    const [cursor, evicted] = this.#options.store.call(...script) as [string, number]
    this.#cursor = cursor
    this.#evicted += evicted
    if (cursor !== '0') return
    if (this.#evicted < FEW_EVICTED) this.#refuseWrites(maxBytes)
    this.#evicted = 0
  }

  #refuseWrites(maxBytes: number): void {
    const { store, logger } = this.#options
    this.#maxBytes = maxBytes
    store.call('CONFIG', 'SET', 'maxmemory', maxBytes - FREE_BYTES)
    logger.error(
      'the memory is full of policies and events: changes are refused, and checks are decided without the store',
    )
  }

  #acceptWrites(maxBytes: number): void {
    const { store, logger } = this.#options
    this.#maxBytes = undefined
    store.call('CONFIG', 'SET', 'maxmemory', maxBytes)
    logger.info('the memory has room again: changes are accepted')
  }
}

/**
 * How fast room is made, by how much of what is kept free is used. Buckets that come may be many times larger than those that are deleted.
 * First the share grows, since the turns delay checks. At last, all are deleted: in a full memory, no check is counted.
 */
function paceFor(used: number): { readonly turnMs: number; readonly share: number } {
  return {
    turnMs: TURN_MS + (MAX_TURN_MS - TURN_MS) * Math.min(1, used / 0.5),
    share: used > 0.75 ? 1 : SHARE + (LARGE_SHARE - SHARE) * Math.min(1, used / 0.25),
  }
}
