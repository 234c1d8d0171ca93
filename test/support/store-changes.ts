import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { type CommandId, commandId } from '../../src/domain/command-id.ts'
import type { PolicyEvent } from '../../src/domain/events.ts'
import { type AppliedCommand, effectOf } from '../../src/domain/outcome.ts'
import { ConfigKeys } from '../../src/redis/keys.ts'
import { RedisCommandStore } from '../../src/redis/policies/command-store.ts'
import { RedisIdempotencyStore } from '../../src/redis/policies/idempotency-store.ts'
import { RedisMaintainedLog } from '../../src/redis/policies/maintained-log.ts'
import { RedisPolicyReader } from '../../src/redis/policies/policy-reader.ts'
import { definitionOf } from './policies.ts'

/** The lease of changes that have no job. */
const NO_LEASE = ''
const KEPT = { keyPrefix: 'throttler', retentionMs: 86_400_000 }

/** Changes policies in a store in the same way as a worker. */
export class StoreChanges {
  readonly #redis: Redis
  readonly #reader: RedisPolicyReader
  readonly #store: RedisCommandStore
  readonly #idempotency: RedisIdempotencyStore
  readonly #last = new Map<string, PolicyEvent>()

  constructor(redis: Redis) {
    this.#redis = redis
    this.#reader = new RedisPolicyReader(redis, KEPT.keyPrefix)
    this.#store = new RedisCommandStore(redis, KEPT)
    this.#idempotency = new RedisIdempotencyStore(redis, KEPT)
  }

  /** Appends a change. Resolves with its event. */
  async change(key: string, overrides: Partial<PolicyEvent> & { commandId?: CommandId } = {}): Promise<PolicyEvent> {
    const before = this.#last.get(key) ?? { version: await this.versionOf(key), policy: null }
    const version = before.version + 1
    const event: PolicyEvent & { commandId: CommandId } = {
      schema: 1,
      key,
      version,
      type: before.policy === null ? 'created' : 'changed',
      at: new Date().toISOString(),
      actor: 'ops',
      commandId: commandId(key, randomUUID()),
      policy: definitionOf({ description: `ü ${version}` }),
      ...overrides,
    }
    await this.#claim(event)
    const outcome: AppliedCommand = {
      id: event.commandId,
      key,
      status: 'applied',
      version,
      effect: effectOf(before, event),
    }
    const change = { key, expectedVersion: version - 1, event }
    const result = await this.#store.append({ outcome, lease: NO_LEASE, change })
    if (result.kind !== 'appended') throw new Error(`the change was not applied: ${JSON.stringify(result)}`)
    this.#last.set(key, event)
    return event
  }

  async #claim({ actor, commandId: id, idempotency }: PolicyEvent & { commandId: CommandId }): Promise<void> {
    if (idempotency === undefined) return
    const scope = { actor, key: idempotency.key }
    await this.#idempotency.claim(scope, { commandId: id, fingerprint: idempotency.fingerprint })
    await this.#idempotency.end(scope, { commandId: id, id, parts: 1 })
  }

  async versionOf(key: string): Promise<number> {
    return this.#reader.keyRevision(key)
  }

  /** Moves the first events of a partition into its snapshot. */
  async compact(partition: number, events: number): Promise<void> {
    const log = new RedisMaintainedLog(this.#redis, new ConfigKeys(KEPT.keyPrefix, partition))
    const bounds = await log.bounds()
    const oldest = (await log.oldest()).slice(0, events).filter(entry => entry.event !== undefined)
    if (!(await log.fold(bounds, oldest))) throw new Error('the log was not compacted')
  }
}
