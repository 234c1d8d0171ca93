import { DamagedRecord } from '../../config-change/damaged-store.ts'
import type { DueEnd, EndReader, StateReader } from '../../config-change/ports.ts'
import { hasEnded, policyAt } from '../../domain/temporary-policy.ts'
import type { RedisClient } from '../connection/connection.ts'
import type { ConfigKeys } from '../keys.ts'

const ENDS_PER_READ = 100

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

  async dueEnds(limit: number): Promise<readonly DueEnd[]> {
    const due = await Promise.all(this.#partitions.map(keys => this.#dueIn(keys, limit)))
    return due.flat()
  }

  /** How many other policies within a prefix have ended with none to follow. The list of keys still names them. */
  async countGoneInside(configKey: string, prefix: string): Promise<number> {
    const inside = (await this.dueEnds(Number.POSITIVE_INFINITY)).filter(
      ({ key }) => key !== configKey && key.startsWith(prefix),
    )
    const states = await Promise.all(inside.map(({ key }) => this.#reader.state(key)))
    return states.filter(({ policy }) => policyAt(policy, this.#now()) === null).length
  }

  /** Reads on if the list of ends is damaged, and names keys that have not ended. */
  async #dueIn({ ends }: ConfigKeys, limit: number): Promise<readonly DueEnd[]> {
    const nowMs = this.#now()
    const due: DueEnd[] = []
    for (let offset = 0; ; offset += ENDS_PER_READ) {
      const keys = await this.#redis.zrangebyscore(ends, '-inf', nowMs, 'LIMIT', offset, ENDS_PER_READ)
      const found = await Promise.all(keys.map(key => this.#endedVersion(key, nowMs)))
      due.push(...found.filter(end => end !== undefined))
      if (keys.length < ENDS_PER_READ || due.length >= limit) return due.slice(0, limit)
    }
  }

  /** `undefined` if the key has no policy that has ended, or is damaged, which must not keep the other ends from being recorded. */
  async #endedVersion(key: string, nowMs: number): Promise<DueEnd | undefined> {
    try {
      const { version, policy } = await this.#reader.state(key)
      return hasEnded(policy, nowMs) ? { key, version } : undefined
    } catch (err) {
      if (err instanceof DamagedRecord) return undefined
      throw err
    }
  }
}
