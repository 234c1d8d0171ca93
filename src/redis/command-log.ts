import type {
  AppendResult,
  CommandLog,
  EndingReader,
  ImportProgress,
  ImportStep,
  KeyChange,
} from '../config-change/ports.ts'
import { partitionOfCommand } from '../domain/commands.ts'
import type { PolicyState } from '../domain/decider.ts'
import type { PolicyEvent } from '../domain/events.ts'
import type { Ending, FailedCommand, Outcome } from '../domain/outcome.ts'
import { AppendCode, type AppendCommand, defineAppend, FENCE_MS, outcomeArguments, stepArguments } from './append.ts'
import { parsePosition } from './config-json.ts'
import { RedisConfigStore } from './config-store.ts'
import type { RedisClient } from './connection.ts'
import type { ScriptArguments } from './define-script.ts'
import { announcementChannel, ConfigKeys } from './keys.ts'
import type { RetentionOptions } from './retention.ts'

/** Where commands end, in Redis. */
export class RedisCommandLog implements CommandLog, EndingReader {
  readonly #redis: RedisClient
  readonly #options: RetentionOptions
  readonly #policies: RedisConfigStore
  readonly #append: AppendCommand

  constructor(redis: RedisClient, options: RetentionOptions) {
    this.#redis = redis
    this.#options = options
    this.#policies = new RedisConfigStore(redis, options.keyPrefix)
    this.#append = defineAppend(redis)
  }

  state(key: string): Promise<PolicyState> {
    return this.#policies.state(key)
  }

  states(keys: readonly string[]): Promise<readonly PolicyState[]> {
    return this.#policies.states(keys)
  }

  version(key: string, version: number): Promise<PolicyEvent | undefined> {
    return this.#policies.version(key, version)
  }

  append(outcome: Outcome, change?: KeyChange): Promise<AppendResult<Outcome>> {
    return this.#run(outcomeArguments(outcome, change, this.#options))
  }

  appendChunk(step: ImportStep): Promise<AppendResult<ImportProgress>> {
    return this.#run(stepArguments(step, this.#options))
  }

  async #run<T>(args: ScriptArguments): Promise<AppendResult<T>> {
    const [code, value] = await this.#append(...args)
    if (code === AppendCode.movedOn) return { kind: 'moved-on' }
    if (code === AppendCode.repeated) return { kind: 'repeated', recorded: JSON.parse(value) as T }
    return { kind: 'ended' }
  }

  async outcome(commandId: string): Promise<Outcome | undefined> {
    return parse(await this.#redis.get(this.#keysOf(commandId).outcome(commandId)))
  }

  async progress(partId: string): Promise<ImportProgress | undefined> {
    return parse(await this.#redis.get(this.#keysOf(partId).progress(partId)))
  }

  async failure(commandId: string): Promise<FailedCommand | undefined> {
    return parse(await this.#redis.get(this.#keysOf(commandId).failure(commandId)))
  }

  async recordFailure(failure: FailedCommand): Promise<void> {
    const json = JSON.stringify(failure)
    await this.#redis.set(this.#keysOf(failure.id).failure(failure.id), json, 'PX', this.#options.retentionMs)
  }

  async prolong(commandIds: readonly string[]): Promise<void> {
    const { retentionMs } = this.#options
    const prolongOne = async (id: string) => {
      const keys = this.#keysOf(id)
      await Promise.all([
        this.#redis.pexpire(keys.outcome(id), retentionMs + FENCE_MS),
        this.#redis.pexpire(keys.failure(id), retentionMs),
      ])
    }
    await Promise.all(commandIds.map(prolongOne))
  }

  async announceFailure(commandId: string): Promise<void> {
    const json = await this.#redis.get(this.#keysOf(commandId).failure(commandId))
    const channel = announcementChannel(this.#options.keyPrefix)
    if (json !== null) await this.#redis.publish(channel, `${partitionOfCommand(commandId)} 0 ${json}`)
  }

  async standing(actor: { readonly key: string } | { readonly partition: number }): Promise<number> {
    if ('key' in actor) return this.#policies.versionOf(actor.key)
    const keys = new ConfigKeys(this.#options.keyPrefix, actor.partition)
    const [last] = await this.#redis.xrevrange(keys.log, '+', '-', 'COUNT', 1)
    return last === undefined ? 0 : parsePosition(last)
  }

  async ending(commandId: string): Promise<Ending | undefined> {
    if (partitionOfCommand(commandId) === undefined) return undefined
    const keys = this.#keysOf(commandId)
    const [json, ttl, failure] = await Promise.all([
      this.#redis.get(keys.outcome(commandId)),
      this.#redis.pttl(keys.outcome(commandId)),
      this.failure(commandId),
    ])
    return json !== null && ttl > FENCE_MS ? parse<Outcome>(json) : failure
  }

  #keysOf(commandId: string): ConfigKeys {
    return new ConfigKeys(this.#options.keyPrefix, partitionOfCommand(commandId) ?? 0)
  }
}

function parse<T>(json: string | null): T | undefined {
  return json === null ? undefined : (JSON.parse(json) as T)
}
