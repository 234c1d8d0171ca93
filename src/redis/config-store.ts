import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Append, AppendResult, CommandLog, PolicyReader, PolicyRecord } from '../config-change/ports.ts'
import { partitionOfCommand } from '../domain/commands.ts'
import { initialState, type PolicyState } from '../domain/decider.ts'
import type { PolicyEvent } from '../domain/events.ts'
import type { Outcome } from '../domain/outcome.ts'
import { CONFIG_PARTITIONS, configPartition } from '../domain/partition.ts'
import { parseEvent, parseRecord } from './config-json.ts'
import { announcementChannel, ConfigKeys } from './keys.ts'
import { appendScript } from './scripts.ts'

type AppendArguments = [numberOfKeys: number, ...keysAndArguments: (string | number)[]]
type AppendCommand = (...args: AppendArguments) => Promise<[AppendCode, string]>

/** The codes that `lua/append.lua` returns. */
const AppendCode = { ended: 0, repeated: 1, movedOn: 2 } as const
type AppendCode = (typeof AppendCode)[keyof typeof AppendCode]

interface ConfigStoreOptions {
  readonly keyPrefix: string
  /** How long outcomes are kept, ms. */
  readonly retentionMs: number
}

/** Policies, their events and the outcomes of commands in Redis. */
export class RedisConfigStore implements PolicyReader, CommandLog {
  readonly #redis: Redis
  readonly #options: ConfigStoreOptions
  readonly #partitions: readonly ConfigKeys[]

  constructor(redis: Redis, options: ConfigStoreOptions) {
    redis.defineCommand('throttlerAppend', appendScript)
    this.#redis = redis
    this.#options = options
    this.#partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => new ConfigKeys(options.keyPrefix, n))
  }

  async get(key: string): Promise<PolicyRecord | undefined> {
    const json = await this.#redis.hget(this.#keysOf(key).policies, key)
    return json === null ? undefined : parseRecord(key, json)
  }

  async version(key: string, version: number): Promise<PolicyEvent | undefined> {
    const keys = this.#keysOf(key)
    const [position] = await this.#redis.zrangebyscore(keys.versions(key), version, version)
    if (position === undefined) return undefined
    const [entry] = await this.#redis.xrange(keys.log, `${position}-0`, `${position}-0`)
    return entry && parseEvent(entry)
  }

  async list(query: { prefix: string; after: string | undefined; limit: number }): Promise<readonly PolicyRecord[]> {
    const from = query.after === undefined ? `[${query.prefix}` : `(${query.after}`
    const names = await Promise.all(
      this.#partitions.map(keys =>
        this.#redis.zrangebylex(keys.names, from, upTo(query.prefix), 'LIMIT', 0, query.limit),
      ),
    )
    const page = names.flat().sort(byBytes).slice(0, query.limit)
    const records = await this.#records(page)
    return page.flatMap(key => records.get(key) ?? [])
  }

  async #records(names: readonly string[]): Promise<ReadonlyMap<string, PolicyRecord>> {
    const records = new Map<string, PolicyRecord>()
    const read = async (keys: ConfigKeys, partition: number) => {
      const own = names.filter(name => configPartition(name) === partition)
      if (own.length === 0) return
      const values = await this.#redis.hmget(keys.policies, ...own)
      for (const [i, name] of own.entries()) {
        const json = values[i]
        if (typeof json === 'string') records.set(name, parseRecord(name, json))
      }
    }
    await Promise.all(this.#partitions.map(read))
    return records
  }

  async outcome(commandId: string): Promise<Outcome | undefined> {
    const keys = this.#partitions[partitionOfCommand(commandId) ?? -1]
    const json = keys && (await this.#redis.get(keys.outcome(commandId)))
    return typeof json === 'string' ? (JSON.parse(json) as Outcome) : undefined
  }

  async load(key: string): Promise<PolicyState> {
    const keys = this.#keysOf(key)
    const [version, record] = await Promise.all([
      this.#redis.zrevrange(keys.versions(key), 0, 0, 'WITHSCORES').then(([, score]) => Number(score ?? 0)),
      this.get(key),
    ])
    return { version: version || initialState.version, policy: record?.policy ?? initialState.policy }
  }

  async append(append: Append): Promise<AppendResult> {
    const run = (this.#redis as unknown as { throttlerAppend: AppendCommand }).throttlerAppend.bind(this.#redis)
    const [code, value] = await run(...appendArguments(append, this.#options))
    if (code === AppendCode.movedOn) return { kind: 'moved-on' }
    if (code === AppendCode.repeated) return { kind: 'repeated', outcome: JSON.parse(value) as Outcome }
    return { kind: 'ended', outcome: append.outcome }
  }

  #keysOf(configKey: string): ConfigKeys {
    return this.#partitions[configPartition(configKey)] as ConfigKeys
  }
}

/** What `lua/append.lua` takes: the number of keys, KEYS and ARGV. */
export function appendArguments(
  { expectedVersion, event, outcome }: Append,
  options: ConfigStoreOptions,
): AppendArguments {
  const { keyPrefix, retentionMs } = options
  const partition = configPartition(outcome.key)
  const keys = new ConfigKeys(keyPrefix, partition)
  const touched = [
    keys.log,
    keys.identity,
    keys.policies,
    keys.names,
    keys.versions(outcome.key),
    keys.outcome(outcome.id),
  ]
  return [
    touched.length,
    ...touched,
    expectedVersion,
    outcome.key,
    event?.version ?? '',
    event ? JSON.stringify(event) : '',
    event ? recordJson(event) : '',
    JSON.stringify(outcome),
    retentionMs,
    announcementChannel(keyPrefix),
    partition,
    randomUUID(),
  ]
}

/** The end of a range over names: behind every name with the prefix, since 0xFF does not occur in UTF-8. */
function upTo(prefix: string): Buffer | string {
  return prefix === '' ? '+' : Buffer.concat([Buffer.from(`(${prefix}`), Buffer.from([0xff])])
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function recordJson({ version, policy, at, actor }: PolicyEvent): string {
  return policy === null ? '' : JSON.stringify({ version, policy, updatedAt: at, updatedBy: actor })
}
