import { DamagedStore } from '../../config-change/damaged-store.ts'
import type { DueEnd, EndReader, StateReader } from '../../config-change/ports.ts'
import { hasEnded, type TemporaryPolicy } from '../../domain/temporary-policy.ts'
import type { RedisClient } from '../connection/connection.ts'
import type { ConfigKeys } from '../keys.ts'

const ENDS_PER_READ = 100

interface Ended extends DueEnd {
  readonly policy: TemporaryPolicy
}

/** Temporary policies that have ended, until their ends are recorded. */
export class RedisEndReader implements EndReader {
  readonly #redis: RedisClient
  readonly #partitions: readonly ConfigKeys[]
  readonly #reader: Pick<StateReader, 'state'>
  readonly #now: () => number

  /** @param now in ms since 1970 */
  constructor(
    redis: RedisClient,
    partitions: readonly ConfigKeys[],
    reader: Pick<StateReader, 'state'>,
    now: () => number,
  ) {
    this.#redis = redis
    this.#partitions = partitions
    this.#reader = reader
    this.#now = now
  }

  async dueEnds(partition: number, limit: number): Promise<readonly DueEnd[]> {
    const ended = await this.#endedIn(this.#partitions[partition] as ConfigKeys, limit)
    return ended.map(({ key, version }) => ({ key, version }))
  }

  /**
   * How many other policies within a prefix have ended with none to follow. The list of keys still names them. A partition whose list
   * of ends is damaged counts as none, since a dry run is possible all the same.
   */
  async countGoneInside(configKey: string, prefix: string): Promise<number> {
    const ended = await Promise.all(
      this.#partitions.map(keys => unlessDamaged(this.#endedIn(keys, Number.POSITIVE_INFINITY))),
    )
    const isGone = ({ key, policy }: Ended) => key !== configKey && key.startsWith(prefix) && policy.then === null
    return ended.flatMap(some => some ?? []).filter(isGone).length
  }

  /** Reads on if the list of ends is damaged, and names keys that have not ended. */
  async #endedIn({ ends }: ConfigKeys, limit: number): Promise<readonly Ended[]> {
    const nowMs = this.#now()
    const due: Ended[] = []
    for (let offset = 0; ; offset += ENDS_PER_READ) {
      const keys = await this.#redis.zrangebyscore(ends, '-inf', nowMs, 'LIMIT', offset, ENDS_PER_READ)
      // A damaged key must not keep the ends of others from being recorded.
      const found = await Promise.all(keys.map(key => unlessDamaged(this.#endedPolicy(key, nowMs))))
      due.push(...found.filter(end => end !== undefined))
      if (keys.length < ENDS_PER_READ || due.length >= limit) return due.slice(0, limit)
    }
  }

  /** `undefined` if the key has no policy that has ended. */
  async #endedPolicy(key: string, nowMs: number): Promise<Ended | undefined> {
    const { version, policy } = await this.#reader.state(key)
    return hasEnded(policy, nowMs) ? { key, version, policy } : undefined
  }
}

async function unlessDamaged<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read
  } catch (err) {
    if (err instanceof DamagedStore) return undefined
    throw err
  }
}
