import { DamagedRecord } from '../../config-change/damaged-store.ts'
import type { DueEnd, EndReader, KeyRange, ListQuery, PolicyReader, StateReader } from '../../config-change/ports.ts'
import { evolve, initialState, type PolicyState } from '../../domain/decider.ts'
import type { PolicyEvent } from '../../domain/events.ts'
import { prefixOf } from '../../domain/key.ts'
import { CONFIG_PARTITIONS, configPartition } from '../../domain/partition.ts'
import { type PolicyRecord, recordAt } from '../../domain/policy-record.ts'
import type { RedisClient } from '../connection/connection.ts'
import { ConfigKeys } from '../keys.ts'
import { parseCompacted, parseEntry, parsePosition, parseRecord, readRecord } from './config-json.ts'
import { RedisEndReader } from './end-reader.ts'
import { namingDamage } from './naming-damage.ts'
import { PolicyNames } from './policy-names.ts'
import { parseName, shownName } from './stored-name.ts'

/** Policies per chunk when all of them are read. */
const POLICIES_PER_CHUNK = 500
const KEYS_PER_CHUNK = 100

/** Policies and their events in Redis. */
export class RedisPolicyReader implements PolicyReader, StateReader, EndReader {
  readonly #redis: RedisClient
  readonly #partitions: readonly ConfigKeys[]
  readonly #onDamaged: (key: string) => void
  readonly #now: () => number
  readonly #names: PolicyNames
  readonly #ends: RedisEndReader

  /**
   * @param onDamaged called for each policy that a list leaves out
   * @param now in ms since 1970; by this clock temporary policies end
   */
  constructor(
    redis: RedisClient,
    keyPrefix: string,
    onDamaged: (key: string) => void = () => undefined,
    now: () => number = Date.now,
  ) {
    this.#now = now
    this.#redis = namingDamage(redis)
    this.#onDamaged = onDamaged
    this.#partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => new ConfigKeys(keyPrefix, n))
    this.#names = new PolicyNames(this.#redis, this.#partitions)
    this.#ends = new RedisEndReader(this.#redis, this.#partitions, this, now)
  }

  async get(key: string): Promise<PolicyRecord | undefined> {
    const json = await this.#redis.hget(this.#keysOf(key).policies, key)
    return json === null ? undefined : recordAt(parseRecord(key, json), this.#now())
  }

  async version(key: string, version: number): Promise<PolicyEvent | undefined> {
    const keys = this.#keysOf(key)
    const [member] = await this.#redis.zrangebyscore(keys.versions(key), version, version)
    return member === undefined ? undefined : this.#eventAt(keys, key, member)
  }

  async history(key: string, { after, limit }: { after: number; limit: number }): Promise<readonly PolicyEvent[]> {
    const keys = this.#keysOf(key)
    const members = await this.#redis.zrangebyscore(keys.versions(key), `(${after}`, '+inf', 'LIMIT', 0, limit)
    const events = await Promise.all(members.map(member => this.#eventAt(keys, key, member)))
    return events.filter(event => event !== undefined)
  }

  /** The event that a member of the index names. The snapshot keeps the last compacted event of each key. @throws {DamagedRecord} */
  async #eventAt(keys: ConfigKeys, key: string, member: string): Promise<PolicyEvent | undefined> {
    const position = positionIn(member)
    const [entry] = await this.#redis.xrange(keys.log, `${position}-0`, `${position}-0`)
    if (entry !== undefined) return parseEntry(entry).event
    const json = await this.#redis.hget(keys.snapshot, key)
    const compacted = json === null ? undefined : parseCompacted(json)
    return compacted?.position === position ? compacted.event : undefined
  }

  async list({ prefix, after, limit }: ListQuery): Promise<readonly PolicyRecord[]> {
    const found: PolicyRecord[] = []
    for (let last = bytesOf(after); ; ) {
      const wanted = limit - found.length
      const names = await this.#names.first({ prefix, after: last }, wanted)
      found.push(...(await this.#records(names)))
      // A policy that has ended, or was deleted after its name was read, must not end the list early.
      if (names.length < wanted || found.length === limit) return found
      last = names.at(-1)
    }
  }

  async countInside(configKey: string): Promise<number> {
    const prefix = prefixOf(configKey)
    if (prefix === undefined) return 0
    return (await this.#names.countInside(configKey, prefix)) - (await this.#ends.countGoneInside(configKey, prefix))
  }

  async *keys({ prefix, after, partition }: KeyRange): AsyncGenerator<readonly string[]> {
    for await (const names of this.#names.all({ prefix, after: bytesOf(after) }, KEYS_PER_CHUNK, partition)) {
      yield names.flatMap(name => this.#keyNamed(name) ?? [])
    }
  }

  dueEnds(partition: number, limit: number): Promise<readonly DueEnd[]> {
    return this.#ends.dueEnds(partition, limit)
  }

  /** The readable ones, in the order of their names. */
  async #records(names: readonly Buffer[]): Promise<readonly PolicyRecord[]> {
    const keys = names.flatMap(name => this.#keyNamed(name) ?? [])
    const stored = await this.#stored(keys)
    return keys.flatMap(key => this.#readable(key, stored.get(key)) ?? [])
  }

  #keyNamed(name: Buffer): string | undefined {
    const key = parseName(name)
    if (key === undefined) this.#onDamaged(shownName(name))
    return key
  }

  #readable(key: string, json: string | undefined): PolicyRecord | undefined {
    if (json === undefined) return undefined
    const record = readRecord(key, json)
    if (record === undefined) this.#onDamaged(key)
    return record && recordAt(record, this.#now())
  }

  /** The stored JSON of the policies of these keys. */
  async #stored(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const stored = new Map<string, string>()
    const read = async (keys: ConfigKeys, partition: number) => {
      const own = names.filter(name => configPartition(name) === partition)
      if (own.length === 0) return
      const values = await this.#redis.hmget(keys.policies, ...own)
      for (const [i, name] of own.entries()) {
        const json = values[i]
        if (typeof json === 'string') stored.set(name, json)
      }
    }
    await Promise.all(this.#partitions.map(read))
    return stored
  }

  async *all(): AsyncGenerator<readonly PolicyRecord[]> {
    for await (const names of this.#names.all({ prefix: '', after: undefined }, POLICIES_PER_CHUNK)) {
      yield await this.#records(names)
    }
  }

  async state(key: string): Promise<PolicyState> {
    const [state] = await this.states([key])
    return state ?? initialState
  }

  async states(names: readonly string[]): Promise<readonly PolicyState[]> {
    const [versions, stored] = await Promise.all([
      Promise.all(names.map(key => this.keyRevision(key))),
      this.#stored(names),
    ])
    return Promise.all(names.map((key, i) => this.#stateOf(key, versions[i] ?? 0, stored.get(key))))
  }

  async #stateOf(key: string, version: number, json: string | undefined): Promise<PolicyState> {
    const record = json === undefined ? undefined : readRecord(key, json)
    if (record !== undefined) {
      if (record.version > version) await this.#requireIndexed(key, record.version)
      const { policy, lasting, isRecordedEnd } = record
      return {
        version: Math.max(version, record.version),
        policy,
        ...(lasting !== undefined && { lasting }),
        ...(isRecordedEnd && { isRecordedEnd }),
      }
    }
    if (version === 0) return initialState
    if (json === undefined) return { version, policy: null }
    const event = await this.#eventUnlessDamaged(key, version)
    return { version, ...(event ? evolve(initialState, event) : { policy: null }), isDamaged: true }
  }

  /**
   * Reads the index again, since the policy may have changed after the first read. An index that is still older has lost entries.
   * @throws {DamagedRecord} because versions must not be reused
   */
  async #requireIndexed(key: string, version: number): Promise<void> {
    const indexed = await this.keyRevision(key)
    if (indexed < version) throw damagedIndex(`ends at version ${indexed}, but the policy is at version ${version}`)
  }

  async #eventUnlessDamaged(key: string, version: number): Promise<PolicyEvent | undefined> {
    try {
      return await this.version(key, version)
    } catch (err) {
      if (err instanceof DamagedRecord) return undefined
      throw err
    }
  }

  async keyRevision(key: string): Promise<number> {
    const [, score] = await this.#redis.zrevrange(this.#keysOf(key).versions(key), 0, 0, 'WITHSCORES')
    const version = Number(score ?? 0)
    if (Number.isSafeInteger(version + 1) && version >= 0) return version
    throw damagedIndex(`contains ${score}, which is not a version`)
  }

  async partitionRevision(partition: number): Promise<number> {
    const { log } = this.#partitions[partition] as ConfigKeys
    const [last] = await this.#redis.xrevrange(log, '+', '-', 'COUNT', 1)
    return last === undefined ? 0 : parsePosition(last)
  }

  lastPositions(names: readonly string[]): Promise<readonly number[]> {
    return Promise.all(names.map(key => this.#lastPosition(key)))
  }

  async #lastPosition(key: string): Promise<number> {
    const [member] = await this.#redis.zrevrange(this.#keysOf(key).versions(key), 0, 0)
    return member === undefined ? 0 : positionIn(member)
  }

  #keysOf(configKey: string): ConfigKeys {
    return this.#partitions[configPartition(configKey)] as ConfigKeys
  }
}

/** The position that a member of the index names. @throws {DamagedRecord} */
function positionIn(member: string): number {
  const position = Number(member)
  if (Number.isSafeInteger(position) && position >= 0 && String(position) === member) return position
  throw damagedIndex(`contains ${JSON.stringify(member)}, which is not a position`)
}

function damagedIndex(fault: string): DamagedRecord {
  return new DamagedRecord(`the index of versions ${fault}; run "throttler rebuild"`)
}

function bytesOf(key: string | undefined): Buffer | undefined {
  return key === undefined ? undefined : Buffer.from(key)
}
