import type {
  AppendResult,
  CommandEnd,
  CommandStore,
  ImportProgress,
  ImportStep,
  KeyChange,
  Lease,
  ResultReader,
  VersionMismatch,
} from '../../config-change/ports.ts'
import { type CommandId, partitionOf } from '../../domain/command-id.ts'
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
import { namingDamage } from './naming-damage.ts'
import { parseObject, parseResult, resultJson } from './result-json.ts'
import type { RetentionOptions } from './retention.ts'

/** Applies commands and keeps their results, in Redis. */
export class RedisCommandStore implements CommandStore, ResultReader {
  readonly #redis: RedisClient
  readonly #options: RetentionOptions
  readonly #append: AppendCommand
  readonly #fail: DefinedScript<0 | 1>
  readonly #onAnnounced: (refusal: string | undefined) => void

  /** @param onAnnounced called after each append, with Redis' error if the user may not announce it */
  constructor(
    redis: RedisClient,
    options: RetentionOptions,
    onAnnounced: (refusal: string | undefined) => void = () => undefined,
  ) {
    this.#onAnnounced = onAnnounced
    this.#redis = namingDamage(redis)
    this.#options = options
    this.#append = defineAppend(this.#redis)
    this.#fail = defineScript(this.#redis, 'throttlerFail', failScript)
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
        this.#onAnnounced(value || undefined)
        return { kind: 'appended' }
      case AppendCode.ended:
        return { kind: 'ended', outcome: parseResult<Outcome>(value) }
      case AppendCode.movedOn:
        return { kind: 'moved-on', mismatch: mismatchOf(value, changes) }
      case AppendCode.leaseLost:
        return { kind: 'lease-lost' }
      case AppendCode.progressed:
        return { kind: 'progressed', progress: parseProgress(value) }
    }
  }

  async outcome(id: CommandId): Promise<Outcome | undefined> {
    const json = await this.#redis.get(this.#keysOf(id).outcome(id))
    return json === null ? undefined : parseResult<Outcome>(json)
  }

  async progress(partId: CommandId): Promise<ImportProgress | undefined> {
    return parseProgress(await this.#redis.get(this.#keysOf(partId).progress(partId)))
  }

  async failure(id: CommandId): Promise<FailedCommand | undefined> {
    const json = await this.#redis.get(this.#keysOf(id).failure(id))
    return json === null ? undefined : parseResult<FailedCommand>(json)
  }

  async recordFailure(failure: FailedCommand, lease: Lease): Promise<boolean> {
    const { id } = failure
    const keys = this.#keysOf(id)
    const ofImport = [keys.staged(id), keys.progress(id), keys.stagedNames(id)]
    const touched = [keys.outcome(id), keys.lock(id), keys.failure(id), ...ofImport]
    const args = [lease, resultJson(failure), this.#options.retentionMs]
    return (await this.#fail(touched.length, ...touched, ...args)) === 1
  }

  async extendRetention(ids: readonly CommandId[]): Promise<void> {
    const { retentionMs } = this.#options
    const extendOne = (id: CommandId) => {
      const keys = this.#keysOf(id)
      return [
        this.#redis.pexpire(keys.outcome(id), retentionMs + DEDUP_GRACE_MS),
        this.#redis.pexpire(keys.failure(id), retentionMs),
      ]
    }
    await Promise.all(ids.flatMap(extendOne))
  }

  async announceFailure(id: CommandId): Promise<void> {
    const json = await this.#redis.get(this.#keysOf(id).failure(id))
    const channel = announcementChannel(this.#options.keyPrefix)
    if (json !== null) await this.#redis.publish(channel, `${partitionOf(id)} 0 ${json}`)
  }

  /** An outcome is stored for longer than it is reported, see `DEDUP_GRACE_MS`. */
  async result(id: CommandId): Promise<CommandResult | undefined> {
    const keys = this.#keysOf(id)
    const [json, ttl, failure] = await Promise.all([
      this.#redis.get(keys.outcome(id)),
      this.#redis.pttl(keys.outcome(id)),
      this.failure(id),
    ])
    return json !== null && ttl > DEDUP_GRACE_MS ? parseResult<Outcome>(json) : failure
  }

  #keysOf(id: CommandId): ConfigKeys {
    return new ConfigKeys(this.#options.keyPrefix, partitionOf(id))
  }
}

function mismatchOf(key: string, changes: readonly KeyChange[]): VersionMismatch {
  return { key, expectedVersion: changes.find(change => change.key === key)?.expectedVersion ?? 0 }
}

/** @throws {DamagedRecord} */
function parseProgress(json: string | null): ImportProgress | undefined {
  return json ? (parseObject(json) as unknown as ImportProgress) : undefined
}
