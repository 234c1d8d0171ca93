/**
 * The names of all keys in Redis. On Redis Cluster the part in `{…}` decides the slot, so all keys of one script have the same
 * hash tag.
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */
import { bucketPartition } from '../domain/partition.ts'
import { type ReservationId, recordPartition } from '../domain/reservation-id.ts'
import { BUCKET_TAGS } from './bucket-tags.ts'

/** The beginning of the keys of all buckets, and of their holds and shortfalls, and of no other key. */
export function bucketsPrefix(keyPrefix: string): string {
  return `${keyPrefix}:{`
}

const BUCKET_KEY = new RegExp(`^[^{}]+:\\{(?:${BUCKET_TAGS.join('|')})\\}:`)

/** Whether a bucket can have this key, with any prefix. */
export function isBucketKey(key: string): boolean {
  return BUCKET_KEY.test(key)
}

/** The beginnings of the keys that a store may lose if its memory is full: those of buckets, and of the records of reservations. */
export function evictablePrefixes(keyPrefix: string): readonly string[] {
  return [bucketsPrefix(keyPrefix), recordsPrefix(keyPrefix)]
}

function recordsPrefix(keyPrefix: string): string {
  return `${keyPrefix}:reservation:{`
}

export class BucketKeys {
  /** By partition. */
  readonly #prefixes: readonly string[]
  /** By partition. */
  readonly #recordPrefixes: readonly string[]

  constructor(keyPrefix: string) {
    this.#prefixes = BUCKET_TAGS.map(tag => `${bucketsPrefix(keyPrefix)}${tag}}:`)
    this.#recordPrefixes = BUCKET_TAGS.map(tag => `${recordsPrefix(keyPrefix)}${tag}}:`)
  }

  bucket(key: string): string {
    return this.prefixOf(key) + key
  }

  /** Sorted set: the holds of a bucket, by deadline; see `lua/holds.lua`. No bucket has such a key. */
  holds(key: string): string {
    return `${this.bucket(key)}\u0001holds`
  }

  /** String: the record of a reservation; see `lua/records.lua`. */
  record(id: ReservationId): string {
    return this.recordPrefixOf(id) + id
  }

  /** The part of the record's key before the id; there is one for each partition. */
  recordPrefixOf(id: ReservationId): string {
    return this.#recordPrefixes[recordPartition(id)] as string
  }

  /** The part before the caller's key; there is one for each partition. */
  prefixOf(key: string): string {
    return this.#prefixes[bucketPartition(key)] as string
  }
}

/** The name of a partition's queue. */
export function queueName(partition: number): string {
  return `config-${partition}`
}

/** The keys of one config partition. */
export class ConfigKeys {
  /** Has the partition's hash tag, so that on Redis Cluster a queue and its log are in one slot. */
  readonly queuePrefix: string
  /** Stream: the partition's events. */
  readonly log: string
  /** String: the random identity of the log. */
  readonly identity: string
  /** Hash: config key → its current policy as JSON, a projection of the log. */
  readonly policies: string
  /** Sorted set, all scores 0: the config keys that have a policy, in byte order. */
  readonly names: string
  /** Sorted set: config key with a temporary policy → the policy's end, in ms since 1970. */
  readonly ends: string
  /** Hash: config key → its last event that was compacted, with its position, as JSON. */
  readonly snapshot: string
  /** String: the position up to which events were compacted. */
  readonly compactedTo: string
  /** Never exists. A write that applies only to existing keys has no effect here, but shows whether the store accepts writes. */
  readonly writeProbe: string
  readonly #tag: string
  readonly #jobs: string

  constructor(keyPrefix: string, partition: number) {
    this.#tag = `{${keyPrefix}:config-${partition}}`
    this.#jobs = `${this.#tag}:${queueName(partition)}`
    this.queuePrefix = this.#tag
    this.log = `${this.#tag}:log`
    this.identity = `${this.#tag}:identity`
    this.policies = `${this.#tag}:policies`
    this.names = `${this.#tag}:names`
    this.ends = `${this.#tag}:ends`
    this.snapshot = `${this.#tag}:snapshot`
    this.compactedTo = `${this.#tag}:compacted-to`
    this.writeProbe = `${this.#tag}:write-probe`
  }

  /** Sorted set: version of this config key → position in the log. */
  versions(configKey: string): string {
    return `${this.#tag}:versions:${configKey}`
  }

  /** Replaces another key once it is complete; `writes` is a string that counts the writes of the others. */
  draft(id: string, of: 'policies' | 'names' | 'ends' | 'versions' | 'log' | 'writes'): string {
    return `${this.#tag}:draft:${id}:${of}`
  }

  /** String: the outcome of a command as JSON. */
  outcome(commandId: string): string {
    return `${this.#tag}:outcome:${commandId}`
  }

  /** String: why and when a command failed, as JSON. */
  failure(commandId: string): string {
    return `${this.#tag}:failure:${commandId}`
  }

  /** String: the lease of the worker that processes the command. BullMQ sets it and renews it. */
  lock(commandId: string): string {
    return `${this.#jobs}:${commandId}:lock`
  }

  /** List: the chunks of an import's part, closed by an empty entry. */
  staged(partId: string): string {
    return `${this.#tag}:staged:${partId}`
  }

  /** Set: the config keys that the chunks of a pruning import's part name, and '', which no config key is. */
  stagedNames(partId: string): string {
    return `${this.#tag}:staged-names:${partId}`
  }

  /** String: how far a part of an import has been applied, as JSON. */
  progress(partId: string): string {
    return `${this.#tag}:progress:${partId}`
  }
}

/** String: the command of an actor's Idempotency-Key, as JSON. */
export function idempotencyKeyOf(keyPrefix: string, { actor, key }: { actor: string; key: string }): string {
  return `${keyPrefix}:idempotency:${actor}:${key}`
}

/** The pub/sub channel on which appended positions and outcomes are announced. */
export function announcementChannel(keyPrefix: string): string {
  return `${keyPrefix}:config:announcements`
}

/** Sorted set: the front processes, scored by their last heartbeat. */
export function heartbeatsKey(keyPrefix: string): string {
  return `{${keyPrefix}:fronts}`
}

/** String: the numbers of partitions with which this store was filled. */
export function layoutKey(keyPrefix: string): string {
  return `{${keyPrefix}:layout}`
}

interface NumberedPeriod {
  readonly unit: string
  /** Counted since 1970. */
  readonly number: number
}

/** The keys of counts and sampled denials. They have one hash tag, so that on Redis Cluster they are in one slot. */
export class InsightKeys {
  /** Stream: the newest sampled denials. */
  readonly denials: string
  readonly #tag: string

  constructor(keyPrefix: string) {
    this.#tag = `{${keyPrefix}:insight}`
    this.denials = `${this.#tag}:denials`
  }

  /**
   * Hash: the number of a grain within the hour, and an outcome → checks.
   * @param hour in hours since 1970
   */
  outcomes(grainMs: number, hour: number): string {
    return `${this.#tag}:outcomes:${grainMs}:${hour}`
  }

  /** Sorted set: a key and its policy → count. */
  counts(measure: string, { unit, number }: NumberedPeriod): string {
    return `${this.#tag}:counts:${measure}:${unit}:${number}`
  }

  /** Hash: measure → by how much the counts of the period may be too small. */
  countErrors({ unit, number }: NumberedPeriod): string {
    return `${this.#tag}:count-errors:${unit}:${number}`
  }
}
