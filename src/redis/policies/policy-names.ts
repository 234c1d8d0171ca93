import type { RedisClient } from '../connection/connection.ts'
import type { ConfigKeys } from '../keys.ts'
import { inChunks, mergeSorted } from './merge-sorted.ts'

/** Names per call when all of them are read. */
const NAMES_PER_READ = 500

interface NameRange {
  readonly prefix: string
  /** Only names that follow this one. */
  readonly after: Buffer | undefined
}

/**
 * The names under which policies are stored, in byte order: one sorted set in each partition. Names are bytes, since different invalid
 * UTF-8 can have the same text.
 */
export class PolicyNames {
  readonly #redis: RedisClient
  readonly #partitions: readonly ConfigKeys[]

  constructor(redis: RedisClient, partitions: readonly ConfigKeys[]) {
    this.#redis = redis
    this.#partitions = partitions
  }

  /** The first names of a range. */
  async first(range: NameRange, limit: number): Promise<readonly Buffer[]> {
    const names = await Promise.all(this.#partitions.map(keys => this.#read(keys, range, limit)))
    return names.flat().sort(Buffer.compare).slice(0, limit)
  }

  /** All names of a range in chunks. @param partition only those of this partition */
  all(range: NameRange, size: number, partition?: number): AsyncGenerator<readonly Buffer[]> {
    const partitions = this.#partitions.filter((_, number) => partition === undefined || number === partition)
    const sources = partitions.map(keys => this.#allIn(keys, range))
    return inChunks(mergeSorted(sources, Buffer.compare), size)
  }

  /** How many other names there are within the prefix of this config key. */
  async countInside(configKey: string, prefix: string): Promise<number> {
    const counts = await Promise.all(
      this.#partitions.flatMap(({ names }) => [
        this.#redis.zlexcount(names, `[${prefix}`, `(${configKey}`),
        this.#redis.zlexcount(names, `(${configKey}`, upTo(prefix)),
      ]),
    )
    return counts.reduce((sum, count) => sum + count)
  }

  async *#allIn(keys: ConfigKeys, { prefix, after }: NameRange): AsyncGenerator<Buffer> {
    for (let last = after; ; ) {
      const names = await this.#read(keys, { prefix, after: last }, NAMES_PER_READ)
      yield* names
      last = names.at(-1)
      if (last === undefined) return
    }
  }

  #read({ names }: ConfigKeys, { prefix, after }: NameRange, limit: number): Promise<Buffer[]> {
    const from = after === undefined ? `[${prefix}` : Buffer.concat([Buffer.from('('), after])
    return this.#redis.zrangebylexBuffer(names, from, upTo(prefix), 'LIMIT', 0, limit)
  }
}

/** The end of a range that contains every name with the prefix: 0xFF does not occur in UTF-8. */
function upTo(prefix: string): Buffer | string {
  return prefix === '' ? '+' : Buffer.concat([Buffer.from(`(${prefix}`), Buffer.from([0xff])])
}
