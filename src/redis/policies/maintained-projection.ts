import { randomUUID } from 'node:crypto'
import type {
  FoundName,
  FoundProjection,
  FoundRecord,
  IndexedVersion,
  Listing,
  LogBounds,
  MaintainedProjection,
  ProjectionDamage,
  ProjectionDraft,
} from '../../config-change/maintenance/ports.ts'
import { inChunks } from '../../lib/keyed-chunks.ts'
import type { RedisClient } from '../connection/connection.ts'
import { serverOf } from '../connection/server-of.ts'
import type { ConfigKeys } from '../keys.ts'
import { isWrongType } from '../wrong-type.ts'
import { readRecord } from './config-json.ts'
import { DraftWrites } from './draft-writes.ts'
import { expiringKeys } from './expiring-keys.ts'
import { inPairs } from './in-pairs.ts'
import { boundsCommands, boundsOf, throwingErrors } from './maintained-log.ts'
import { namingDamage, wrongTypes } from './naming-damage.ts'
import { RedisProjectionDraft } from './projection-draft.ts'
import { type ReadTogether, readingTogether } from './read-together.ts'
import { KeyReplacer } from './replace-keys.ts'
import { scanMembers } from './scan-members.ts'
import { nameFault, parseName, shownName } from './stored-name.ts'

const KEYS_PER_SCAN = 500

/** The projection of one partition, for verify and rebuild. */
export class RedisMaintainedProjection implements MaintainedProjection {
  readonly #redis: RedisClient
  readonly #keys: ConfigKeys
  readonly #readTogether: ReadTogether
  readonly #replacer: KeyReplacer

  constructor(redis: RedisClient, keys: ConfigKeys) {
    this.#redis = namingDamage(redis)
    this.#readTogether = readingTogether(this.#redis)
    this.#keys = keys
    this.#replacer = new KeyReplacer(this.#redis, keys)
  }

  async damage(): Promise<readonly ProjectionDamage[]> {
    const { policies, names, ends } = this.#keys
    const faultsOf = async (where: ProjectionDamage['where'], key: string, type: string) => {
      const faults = [wrongTypes(this.#redis, { [key]: type }), expiringKeys(this.#redis, [key])]
      return (await Promise.all(faults)).flat().map(detail => ({ where, detail }))
    }
    const found = [
      faultsOf('policies', policies, 'hash'),
      faultsOf('names', names, 'zset'),
      faultsOf('ends', ends, 'zset'),
    ]
    return (await Promise.all(found)).flat()
  }

  async *records(): AsyncGenerator<readonly [name: FoundName, policy: FoundRecord][]> {
    for await (const { members } of this.#scan('HSCAN', this.#keys.policies)) {
      yield members.map(([bytes, json]) => {
        const name = foundName(bytes)
        return [name, foundRecord(name.key ?? '', json)]
      })
    }
  }

  async *names(): AsyncGenerator<readonly [name: FoundName, listing: Listing][]> {
    for await (const { members } of this.#scan('ZSCAN', this.#keys.names)) {
      yield members.map(([name, score]) => [foundName(name), listingOf(score)])
    }
  }

  async *ends(): AsyncGenerator<readonly [name: FoundName, end: number][]> {
    for await (const { members } of this.#scan('ZSCAN', this.#keys.ends)) {
      yield members.map(([name, score]) => [foundName(name), Number(score)])
    }
  }

  #scan(command: 'HSCAN' | 'ZSCAN', key: string) {
    return scanMembers(this.#redis, { command, key, keys: this.#keys })
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
    const { policies, names, ends, identity, compactedTo, log } = this.#keys
    const versionsKey = this.#keys.versions(key)
    const results = await this.#readTogether(
      [identity, compactedTo, log, policies, names, ends, versionsKey],
      [
        ...boundsCommands(this.#keys),
        ['HGET', policies, key],
        ['ZSCORE', names, key],
        ['ZSCORE', ends, key],
        ['ZRANGE', versionsKey, '0', '-1', 'WITHSCORES'],
      ],
    )
    const found = unlessWrongType(results.splice(-4)) as Nullable<[string, string, string, string[]]>
    const [record, score, end, versions] = found
    return {
      bounds: boundsOf(throwingErrors(results)),
      found: {
        policy: record === null ? undefined : foundRecord(key, record),
        listing: listingOf(score),
        versions: parseVersions(versions),
        end: end === null ? undefined : Number(end),
      },
    }
  }

  draft(): ProjectionDraft {
    return new RedisProjectionDraft(this.#redis, this.#keys, this.#replacer)
  }

  async replaceVersions(key: string, versions: readonly IndexedVersion[], at: LogBounds): Promise<boolean> {
    const id = randomUUID()
    const draft = this.#keys.draft(id, 'versions')
    const writes = new DraftWrites(this.#keys.draft(id, 'writes'))
    for (const chunk of inChunks(versions)) {
      const members = chunk.flatMap(({ version, position }) => [version, position])
      await writes.send(this.#redis.pipeline().zadd(draft, ...members), [draft])
    }
    const replacement = { inUse: this.#keys.versions(key), draft, hasDraft: versions.length > 0 }
    const isReplaced = (await this.#replacer.replace([replacement], writes, at)) === 'used'
    if (!isReplaced) await this.#redis.unlink(draft, writes.counter)
    return isReplaced
  }
}

type Nullable<T> = { [part in keyof T]: T[part] | null }

function foundName(bytes: Buffer): FoundName {
  return { key: parseName(bytes), fault: nameFault(bytes), shown: shownName(bytes) }
}

function foundRecord(key: string, json: string): FoundRecord {
  return { record: readRecord(key, json), shown: json }
}

/** @param score in the sorted set of names, which is in byte order because all scores are 0 */
function listingOf(score: string | null): Listing {
  if (score === null) return 'absent'
  return Number(score) === 0 ? 'listed' : 'misplaced'
}

/** The results, with `null` for each key of another type. */
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
