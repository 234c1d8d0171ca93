import { randomUUID } from 'node:crypto'
import type {
  DraftContent,
  DraftUse,
  KeyPolicy,
  LogBounds,
  ProjectionDraft,
} from '../../config-change/maintenance/ports.ts'
import { endOf } from '../../domain/temporary-policy.ts'
import type { RedisClient } from '../connection/connection.ts'
import type { ConfigKeys } from '../keys.ts'
import { recordJson } from './config-json.ts'
import { DraftWrites } from './draft-writes.ts'
import type { KeyReplacer } from './replace-keys.ts'

/** Policies and listed keys under draft keys of their own. */
export class RedisProjectionDraft implements ProjectionDraft {
  readonly #redis: RedisClient
  readonly #keys: ConfigKeys
  readonly #policies: string
  readonly #names: string
  readonly #ends: string
  readonly #writes: DraftWrites
  readonly #replacer: KeyReplacer

  constructor(redis: RedisClient, keys: ConfigKeys, replacer: KeyReplacer) {
    const id = randomUUID()
    this.#redis = redis
    this.#keys = keys
    this.#replacer = replacer
    this.#policies = keys.draft(id, 'policies')
    this.#names = keys.draft(id, 'names')
    this.#ends = keys.draft(id, 'ends')
    this.#writes = new DraftWrites(keys.draft(id, 'writes'))
  }

  async write(policies: readonly KeyPolicy[]): Promise<void> {
    const pipeline = this.#redis.pipeline()
    for (const { key, record } of policies) {
      if (record === undefined) pipeline.hdel(this.#policies, key).zrem(this.#names, key)
      else pipeline.hset(this.#policies, key, recordJson(record)).zadd(this.#names, 0, key)
      const end = record && endOf(record.policy)
      if (end === undefined) pipeline.zrem(this.#ends, key)
      else pipeline.zadd(this.#ends, end, key)
    }
    await this.#writes.send(pipeline, [this.#policies, this.#names, this.#ends])
  }

  /** A single call: the more time passes after the replay, the more often a change precedes it. */
  async use(at: LogBounds, { hasPolicies, hasEnds }: DraftContent): Promise<DraftUse> {
    const replacements = [
      { inUse: this.#keys.policies, draft: this.#policies, hasDraft: hasPolicies },
      { inUse: this.#keys.names, draft: this.#names, hasDraft: hasPolicies },
      { inUse: this.#keys.ends, draft: this.#ends, hasDraft: hasEnds },
    ]
    return this.#replacer.replace(replacements, this.#writes, at, randomUUID())
  }
}
