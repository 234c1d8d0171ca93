import type { AddedPart, ImportStaging } from '../../config-change/ports.ts'
import { type CommandId, partitionOf } from '../../domain/command-id.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import { ConfigKeys } from '../keys.ts'
import { sealImportScript } from '../scripts.ts'
import { namingDamage } from './naming-damage.ts'
import type { RetentionOptions } from './retention.ts'

/** Lifetime of staged lines, in ms, until their import is accepted. */
const ABANDONED_AFTER_MS = 3_600_000

/** Entry after the last chunk, which tells complete lines from incomplete ones. */
const END = ''

/** Member of the set of names, which tells a set without names from one that is gone. No config key is empty. */
const NO_KEY = ''

/** Staged lines in Redis: one list for each part, whose entries are chunks, and a set of the names in them. */
export class RedisImportStaging implements ImportStaging {
  readonly #redis: RedisClient
  readonly #options: RetentionOptions
  readonly #seal: DefinedScript<0 | 1>

  constructor(redis: RedisClient, options: RetentionOptions) {
    this.#redis = namingDamage(redis)
    this.#options = options
    this.#seal = defineScript(this.#redis, 'throttlerSealImport', sealImportScript)
  }

  async add(partId: CommandId, lines: readonly string[]): Promise<void> {
    const key = this.#key(partId)
    await Promise.all([this.#redis.rpush(key, lines.join('\n')), this.#redis.pexpire(key, ABANDONED_AFTER_MS)])
  }

  async seal(parts: readonly AddedPart[]): Promise<boolean> {
    const results = await Promise.all(
      parts.map(({ id, chunks, names }) => {
        const keys = this.#keysOf(id)
        const members = names === undefined ? 0 : names + 1
        return this.#seal(2, keys.staged(id), keys.stagedNames(id), chunks, members, END, ABANDONED_AFTER_MS)
      }),
    )
    return results.every(isSealed => isSealed === 1)
  }

  /** What a replica misses after a failover are the last writes, so a part with its end has what was written before. */
  async isSealed(partId: CommandId): Promise<boolean> {
    return (await this.#redis.lindex(this.#key(partId), -1)) === END
  }

  async addNames(partId: CommandId, keys: readonly string[]): Promise<void> {
    const names = this.#keysOf(partId).stagedNames(partId)
    await Promise.all([this.#redis.sadd(names, NO_KEY, ...keys), this.#redis.pexpire(names, ABANDONED_AFTER_MS)])
  }

  async unnamed(partId: CommandId, keys: readonly string[]): Promise<readonly string[] | undefined> {
    const names = this.#keysOf(partId).stagedNames(partId)
    const [isStaged, ...isNamed] = await this.#redis.smismember(names, NO_KEY, ...keys)
    return isStaged ? keys.filter((_, i) => !isNamed[i]) : undefined
  }

  async keep(partIds: readonly CommandId[]): Promise<void> {
    await Promise.all(
      partIds.flatMap(partId => [
        this.#redis.persist(this.#key(partId)),
        this.#redis.persist(this.#keysOf(partId).stagedNames(partId)),
      ]),
    )
  }

  async chunk(partId: CommandId, index: number): Promise<readonly string[] | undefined> {
    const entry = await this.#redis.lindex(this.#key(partId), index)
    if (entry === null) return undefined
    return entry === END ? [] : entry.split('\n')
  }

  async drop(partIds: readonly CommandId[]): Promise<void> {
    await Promise.all(
      partIds.map(partId => {
        const keys = this.#keysOf(partId)
        return this.#redis.unlink(keys.staged(partId), keys.stagedNames(partId), keys.progress(partId))
      }),
    )
  }

  #key(partId: CommandId): string {
    return this.#keysOf(partId).staged(partId)
  }

  #keysOf(partId: CommandId): ConfigKeys {
    return new ConfigKeys(this.#options.keyPrefix, partitionOf(partId))
  }
}
