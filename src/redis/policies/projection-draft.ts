import { randomUUID } from 'node:crypto'
import type { DraftContent, KeyPolicy, LogBounds, ProjectionDraft } from '../../config-change/maintenance/ports.ts'
import { endOf } from '../../domain/temporary-policy.ts'
import type { RedisClient } from '../connection/connection.ts'
import type { ConfigKeys } from '../keys.ts'
import { recordJson } from './config-json.ts'
import { resultsOf } from './maintained-log.ts'
import type { KeyReplacer } from './replace-keys.ts'

/** Lifetime of a draft after its last write, in ms. The process that wrote an older one has died. */
export const DRAFT_LIFETIME_MS = 3_600_000

/** Policies and listed keys under draft keys of their own. */
export class RedisProjectionDraft implements ProjectionDraft {
  readonly #redis: RedisClient
  readonly #keys: ConfigKeys
  readonly #policies: string
  readonly #names: string
  readonly #ends: string
  readonly #replacer: KeyReplacer

  constructor(redis: RedisClient, keys: ConfigKeys, replacer: KeyReplacer) {
    const id = randomUUID()
    this.#redis = redis
    this.#keys = keys
    this.#replacer = replacer
    this.#policies = keys.draft(id, 'policies')
    this.#names = keys.draft(id, 'names')
    this.#ends = keys.draft(id, 'ends')
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
    for (const draft of [this.#policies, this.#names, this.#ends]) pipeline.pexpire(draft, DRAFT_LIFETIME_MS)
    await resultsOf(pipeline)
  }

  /** A single call: the more time passes after the replay, the more often a change precedes it. */
  async use(at: LogBounds, { hasPolicies, hasEnds }: DraftContent): Promise<boolean> {
    const replacements = [
      { inUse: this.#keys.policies, draft: this.#policies, hasDraft: hasPolicies },
      { inUse: this.#keys.names, draft: this.#names, hasDraft: hasPolicies },
      { inUse: this.#keys.ends, draft: this.#ends, hasDraft: hasEnds },
    ]
    return this.#replacer.replace(replacements, at, randomUUID())
  }
}
