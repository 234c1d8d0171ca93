import { randomUUID } from 'node:crypto'
import type {
  FoundName,
  FoundProjection,
  IndexedVersion,
  KeyRecord,
  LogBounds,
  MaintainedPartition,
  MaintainedProjection,
  ProjectionDamage,
  ProjectionDraft,
} from '../../config-change/maintenance/ports.ts'
import { CONFIG_PARTITIONS } from '../../domain/partition.ts'
import { inChunks } from '../../lib/keyed-chunks.ts'
import type { RedisClient } from '../connection/connection.ts'
import { serverOf } from '../connection/server-of.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import { ConfigKeys } from '../keys.ts'
import { replaceScript } from '../scripts.ts'
import { inPairs } from './in-pairs.ts'
import { boundsOf, queueBounds, RedisMaintainedLog, resultsOf, throwingErrors } from './maintained-log.ts'
import { isWrongType, namingDamage, wrongTypes } from './naming-damage.ts'
import { scanHash } from './scan-hash.ts'
import { parseName, shownName } from './stored-name.ts'

const KEYS_PER_SCAN = 500

/** A draft that is left alone for so long was left by a process that died, ms. */
const DRAFT_LIFETIME_MS = 3_600_000

/** Every partition of the configuration, for who looks after them. */
export function maintainedPartitions(redis: RedisClient, keyPrefix: string): readonly MaintainedPartition[] {
  return Array.from({ length: CONFIG_PARTITIONS }, (_, number) => {
    const keys = new ConfigKeys(keyPrefix, number)
    return { number, log: new RedisMaintainedLog(redis, keys), projection: new RedisMaintainedProjection(redis, keys) }
  })
}

class RedisMaintainedProjection implements MaintainedProjection {
  readonly #redis: RedisClient
  readonly #keys: ConfigKeys

  readonly #replace: DefinedScript<0 | 1>

  constructor(redis: RedisClient, keys: ConfigKeys) {
    this.#redis = namingDamage(redis)
    this.#keys = keys
    this.#replace = defineScript(this.#redis, 'throttlerReplace', replaceScript)
  }

  async damage(): Promise<readonly ProjectionDamage[]> {
    const { policies, names } = this.#keys
    const [ofPolicies, ofNames] = await Promise.all([
      wrongTypes(this.#redis, { [policies]: 'hash' }),
      wrongTypes(this.#redis, { [names]: 'zset' }),
    ])
    return [
      ...ofPolicies.map(detail => ({ where: 'policies' as const, detail })),
      ...ofNames.map(detail => ({ where: 'names' as const, detail })),
    ]
  }

  async *records(): AsyncGenerator<readonly [name: FoundName, record: string][]> {
    for await (const found of scanHash(this.#redis, this.#keys.policies)) {
      yield found.map(([name, record]) => [foundName(name), record])
    }
  }

  async *names(): AsyncGenerator<readonly [name: FoundName, score: number][]> {
    let cursor = '0'
    do {
      const [next, found] = await this.#redis.zscanBuffer(this.#keys.names, cursor, 'COUNT', KEYS_PER_SCAN)
      cursor = next.toString()
      yield inPairs(found).map(([name, score]) => [foundName(name), Number(score)])
    } while (cursor !== '0')
  }

  async *indexedKeys(): AsyncGenerator<readonly string[]> {
    const prefix = this.#keys.versions('')
    const server = await serverOf(this.#redis, prefix)
    let cursor = '0'
    do {
      const [next, found] = await server.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', KEYS_PER_SCAN)
      cursor = next
      yield found.map(key => key.slice(prefix.length))
    } while (cursor !== '0')
  }

  async versions(keys: readonly string[]): Promise<readonly (readonly IndexedVersion[] | null)[]> {
    const pipeline = this.#redis.pipeline()
    for (const key of keys) pipeline.zrange(this.#keys.versions(key), '0', '-1', 'WITHSCORES')
    return unlessWrongType((await pipeline.exec()) ?? []).map(found => parseVersions(found as string[] | null))
  }

  async find(key: string): Promise<{ bounds: LogBounds; found: FoundProjection }> {
    const { policies, names } = this.#keys
    const transaction = queueBounds(this.#redis.multi(), this.#keys)
    transaction.hget(policies, key).zscore(names, key).zrange(this.#keys.versions(key), '0', '-1', 'WITHSCORES')
    const results = (await transaction.exec()) ?? []
    const [record, score, versions] = unlessWrongType(results.splice(-3)) as Nullable<[string, string, string[]]>
    const nameScore = score === null ? null : Number(score)
    return {
      bounds: boundsOf(throwingErrors(results)),
      found: { record, nameScore, versions: parseVersions(versions) },
    }
  }

  draft(): ProjectionDraft {
    return new RedisProjectionDraft(this.#redis, this.#keys, this.#replace)
  }

  async replaceVersions(key: string, versions: readonly IndexedVersion[], at: LogBounds): Promise<boolean> {
    const draft = this.#keys.draft(randomUUID(), 'versions')
    for (const chunk of inChunks(versions)) {
      const members = chunk.flatMap(({ version, position }) => [version, position])
      await resultsOf(
        this.#redis
          .pipeline()
          .zadd(draft, ...members)
          .pexpire(draft, DRAFT_LIFETIME_MS),
      )
    }
    const replacement = { inUse: this.#keys.versions(key), draft, hasDraft: versions.length > 0 }
    const isReplaced = await replace(this.#replace, this.#keys, at, '', [replacement])
    if (!isReplaced) await this.#redis.unlink(draft)
    return isReplaced
  }
}

class RedisProjectionDraft implements ProjectionDraft {
  readonly #redis: RedisClient
  readonly #keys: ConfigKeys
  readonly #policies: string
  readonly #names: string
  readonly #replace: DefinedScript<0 | 1>

  constructor(redis: RedisClient, keys: ConfigKeys, replace: DefinedScript<0 | 1>) {
    const id = randomUUID()
    this.#redis = namingDamage(redis)
    this.#keys = keys
    this.#replace = replace
    this.#policies = keys.draft(id, 'policies')
    this.#names = keys.draft(id, 'names')
  }

  async write(records: readonly KeyRecord[]): Promise<void> {
    const pipeline = this.#redis.pipeline()
    for (const { key, record } of records) {
      if (record === null) pipeline.hdel(this.#policies, key).zrem(this.#names, key)
      else pipeline.hset(this.#policies, key, record).zadd(this.#names, 0, key)
    }
    for (const draft of [this.#policies, this.#names]) pipeline.pexpire(draft, DRAFT_LIFETIME_MS)
    await resultsOf(pipeline)
  }

  async use(at: LogBounds): Promise<boolean> {
    const hasPolicies = (await this.#redis.exists(this.#policies)) === 1
    return replace(this.#replace, this.#keys, at, randomUUID(), [
      { inUse: this.#keys.policies, draft: this.#policies, hasDraft: hasPolicies },
      { inUse: this.#keys.names, draft: this.#names, hasDraft: hasPolicies },
    ])
  }
}

type Nullable<T> = { [part in keyof T]: T[part] | null }

interface Replacement {
  readonly inUse: string
  readonly draft: string
  /** Else nothing takes the place. */
  readonly hasDraft: boolean
}

async function replace(
  run: DefinedScript<0 | 1>,
  keys: ConfigKeys,
  at: LogBounds,
  identity: string,
  pairs: readonly Replacement[],
) {
  const touched = [keys.log, keys.identity, keys.compactedTo, ...pairs.flatMap(({ inUse, draft }) => [inUse, draft])]
  const existing = pairs.map(({ hasDraft }) => (hasDraft ? '1' : '0'))
  const position = [at.identity ?? '', at.compactedTo, at.last]
  return (await run(touched.length, ...touched, ...position, identity, ...existing)) === 1
}

function foundName(bytes: Buffer): FoundName {
  return { key: parseName(bytes), shown: shownName(bytes) }
}

/** `null` for a key of another type. */
function unlessWrongType(results: readonly [Error | null, unknown][]): unknown[] {
  return throwingErrors(
    results.map(([err, result]) => (err !== null && isWrongType(err) ? [null, null] : [err, result])),
  )
}

function parseVersions(found: readonly string[] | null): IndexedVersion[] | null {
  return (
    found && inPairs(found).map(([position, version]) => ({ version: Number(version), position: Number(position) }))
  )
}
