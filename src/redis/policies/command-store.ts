import {
  type AppendResult,
  type CommandEnd,
  type CommandStore,
  DamagedRecord,
  type ImportProgress,
  type ImportStep,
  type KeyChange,
  type Lease,
  type ResultReader,
  type VersionMismatch,
} from '../../config-change/ports.ts'
import { partitionOfCommand } from '../../domain/commands.ts'
import type { PolicyState } from '../../domain/decider.ts'
import type { PolicyEvent } from '../../domain/events.ts'
import type { CommandResult, FailedCommand, Outcome } from '../../domain/outcome.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript, type ScriptArguments } from '../define-script.ts'
import { announcementChannel, ConfigKeys } from '../keys.ts'
import { failScript } from '../scripts.ts'
import {
  AppendCode,
  type AppendCommand,
  DEDUP_GRACE_MS,
  defineAppend,
  outcomeArguments,
  stepArguments,
} from './append.ts'
import { parsePosition } from './config-json.ts'
import { namingDamage } from './naming-damage.ts'
import { RedisPolicyReader } from './policy-reader.ts'
import type { RetentionOptions } from './retention.ts'

/** Where commands end, in Redis. */
export class RedisCommandStore implements CommandStore, ResultReader {
  readonly #redis: RedisClient
  readonly #options: RetentionOptions
  readonly #policies: RedisPolicyReader
  readonly #append: AppendCommand
  readonly #fail: DefinedScript<0 | 1>

  constructor(redis: RedisClient, options: RetentionOptions) {
    this.#redis = namingDamage(redis)
    this.#options = options
    this.#policies = new RedisPolicyReader(redis, options.keyPrefix)
    this.#append = defineAppend(this.#redis)
    this.#fail = defineScript(this.#redis, 'throttlerFail', failScript)
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

  append(end: CommandEnd): Promise<AppendResult> {
    return this.#run(outcomeArguments(end, this.#options), end.change ? [end.change] : [])
  }

  appendChunk(step: ImportStep): Promise<AppendResult> {
    return this.#run(stepArguments(step, this.#options), step.changes)
  }

  async #run(args: ScriptArguments, changes: readonly KeyChange[]): Promise<AppendResult> {
    const [code, value] = await this.#append(...args)
    switch (code) {
      case AppendCode.appended:
        return { kind: 'appended' }
      case AppendCode.ended:
        return { kind: 'ended', outcome: parse<Outcome>(value) as Outcome }
      case AppendCode.movedOn:
        return { kind: 'moved-on', mismatch: mismatchOf(value, changes) }
      case AppendCode.leaseLost:
        return { kind: 'lease-lost' }
      case AppendCode.progressed:
        return { kind: 'progressed', progress: parse(value || null) }
    }
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

  async recordFailure(failure: FailedCommand, lease: Lease): Promise<boolean> {
    const { id } = failure
    const keys = this.#keysOf(id)
    const touched = [keys.outcome(id), keys.lock(id), keys.failure(id), keys.staged(id), keys.progress(id)]
    const args = [lease, JSON.stringify(failure), this.#options.retentionMs]
    return (await this.#fail(touched.length, ...touched, ...args)) === 1
  }

  async extendRetention(commandIds: readonly string[]): Promise<void> {
    const { retentionMs } = this.#options
    const prolongOne = async (id: string) => {
      const keys = this.#keysOf(id)
      await Promise.all([
        this.#redis.pexpire(keys.outcome(id), retentionMs + DEDUP_GRACE_MS),
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

  async ending(commandId: string): Promise<CommandResult | undefined> {
    if (partitionOfCommand(commandId) === undefined) return undefined
    const keys = this.#keysOf(commandId)
    const [json, ttl, failure] = await Promise.all([
      this.#redis.get(keys.outcome(commandId)),
      this.#redis.pttl(keys.outcome(commandId)),
      this.failure(commandId),
    ])
    return json !== null && ttl > DEDUP_GRACE_MS ? parse<Outcome>(json) : failure
  }

  #keysOf(commandId: string): ConfigKeys {
    return new ConfigKeys(this.#options.keyPrefix, partitionOfCommand(commandId) ?? 0)
  }
}

function mismatchOf(key: string, changes: readonly KeyChange[]): VersionMismatch {
  return { key, expectedVersion: changes.find(change => change.key === key)?.expectedVersion ?? 0 }
}

/** @throws {DamagedRecord} */
function parse<T>(json: string | null): T | undefined {
  if (json === null) return undefined
  try {
    return JSON.parse(json) as T
  } catch {
    throw new DamagedRecord('what is recorded of the command is not valid JSON')
  }
}
