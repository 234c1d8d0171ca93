import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { commandId } from '../../src/domain/commands.ts'
import type { PolicyEvent } from '../../src/domain/events.ts'
import { type AppliedCommand, effectOf } from '../../src/domain/outcome.ts'
import { ConfigKeys } from '../../src/redis/keys.ts'
import { RedisCommandStore } from '../../src/redis/policies/command-store.ts'
import { RedisIdempotencyStore } from '../../src/redis/policies/idempotency-store.ts'
import { RedisMaintainedLog } from '../../src/redis/policies/maintained-log.ts'
import { definitionOf } from './policies.ts'

/** What is changed without a worker's job. */
const NO_LEASE = ''
const KEPT = { keyPrefix: 'throttler', retentionMs: 86_400_000 }

/** Changes policies in a store, as a worker does. */
export class StoreChanges {
  readonly #redis: Redis
  readonly #log: RedisCommandStore
  readonly #reservations: RedisIdempotencyStore
  readonly #last = new Map<string, PolicyEvent>()

  constructor(redis: Redis) {
    this.#redis = redis
    this.#log = new RedisCommandStore(redis, KEPT)
    this.#reservations = new RedisIdempotencyStore(redis, KEPT)
  }

  /** Resolves with the event, once it was appended. */
  async change(key: string, overrides: Partial<PolicyEvent> = {}): Promise<PolicyEvent> {
    const before = this.#last.get(key) ?? { version: await this.versionOf(key), policy: null }
    const version = before.version + 1
    const event: PolicyEvent = {
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
    await this.#reserve(event)
    const outcome: AppliedCommand = {
      id: event.commandId,
      key,
      status: 'applied',
      version,
      effect: effectOf(before, event),
    }
    const change = { key, expectedVersion: version - 1, event }
    const result = await this.#log.append({ outcome, lease: NO_LEASE, change })
    if (result.kind !== 'appended') throw new Error(`the change was not applied: ${JSON.stringify(result)}`)
    this.#last.set(key, event)
    return event
  }

  async #reserve({ actor, commandId: id, idempotency }: PolicyEvent): Promise<void> {
    if (idempotency === undefined) return
    const name = { actor, key: idempotency.key }
    await this.#reservations.reserve(name, { commandId: id, fingerprint: idempotency.fingerprint })
    await this.#reservations.end(name, { commandId: id, id, parts: 1 })
  }

  async versionOf(key: string): Promise<number> {
    return (await this.#log.state(key)).version
  }

  /** Moves the first events of a partition into its snapshot. */
  async compact(partition: number, events: number): Promise<void> {
    const log = new RedisMaintainedLog(this.#redis, new ConfigKeys(KEPT.keyPrefix, partition))
    const { bounds, entries } = await log.read(0)
    const oldest = entries.slice(0, events).filter(entry => entry.event !== undefined)
    if (!(await log.fold(bounds, oldest))) throw new Error('the log was not compacted')
  }
}
