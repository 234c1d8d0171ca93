import type { ChainableCommander } from 'ioredis'
import type { LogBounds, MaintainedLog } from '../../config-change/maintenance/ports.ts'
import type { LogEntry, StoredEntry } from '../../config-change/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import type { ConfigKeys } from '../keys.ts'
import { foldScript } from '../scripts.ts'
import { parseCompacted, parseEntry, parsePosition, parseUnlessDamaged, type StreamEntry } from './config-json.ts'
import { scanHash } from './scan-hash.ts'

/** Also the most that one step of a compaction moves. */
const EVENTS_A_READ = 500

/** A partition's log, for who compacts it or compares it with what was made of it. */
export class RedisMaintainedLog implements MaintainedLog {
  readonly #redis: RedisClient
  readonly #keys: ConfigKeys
  readonly #fold: DefinedScript<0 | 1>

  constructor(redis: RedisClient, keys: ConfigKeys) {
    this.#redis = redis
    this.#fold = defineScript(redis, 'throttlerFold', foldScript)
    this.#keys = keys
  }

  async bounds(): Promise<LogBounds> {
    return boundsOf(await resultsOf(queueBounds(this.#redis.multi(), this.#keys)))
  }

  async *snapshot(): AsyncGenerator<readonly StoredEntry[]> {
    for await (const found of scanHash(this.#redis, this.#keys.snapshot))
      yield found.map(([, json]) => parseUnlessDamaged(() => parseCompacted(json), 0))
  }

  async read(after: number): Promise<{ bounds: LogBounds; entries: readonly StoredEntry[] }> {
    const transaction = queueBounds(this.#redis.multi(), this.#keys)
    const results = await resultsOf(transaction.xrange(this.#keys.log, `(${after}-0`, '+', 'COUNT', EVENTS_A_READ))
    const entries = results.pop() as StreamEntry[]
    return {
      bounds: boundsOf(results),
      entries: entries.map(entry => parseUnlessDamaged(() => parseEntry(entry), parsePosition(entry))),
    }
  }

  async fold({ identity, compactedTo }: LogBounds, entries: readonly LogEntry[]): Promise<boolean> {
    const lastByKey = new Map(entries.map(entry => [entry.event.key, entry]))
    const { log, identity: identityKey, compactedTo: compactedToKey, snapshot } = this.#keys
    const keys = [
      log,
      identityKey,
      compactedToKey,
      snapshot,
      ...Array.from(lastByKey.keys(), key => this.#keys.versions(key)),
    ]
    const events = Array.from(lastByKey, ([key, entry]) => [key, JSON.stringify(entry), entry.event.version])
    const last = entries.at(-1)?.position ?? compactedTo
    return (await this.#fold(keys.length, ...keys, identity ?? '', compactedTo, last, ...events.flat())) === 1
  }
}

/** What `boundsOf` reads, in a transaction with whatever else is asked. */
export function queueBounds(transaction: ChainableCommander, keys: ConfigKeys): ChainableCommander {
  return transaction.get(keys.identity).get(keys.compactedTo).xrevrange(keys.log, '+', '-', 'COUNT', 1)
}

export function boundsOf(results: readonly unknown[]): LogBounds {
  const [identity, compacted, [lastEntry]] = results as [string | null, string | null, StreamEntry[]]
  const compactedTo = Number(compacted ?? 0)
  return { identity, compactedTo, last: lastEntry === undefined ? compactedTo : parsePosition(lastEntry) }
}

/** The results of a transaction or pipeline. @throws the first error among them */
export async function resultsOf(commands: ChainableCommander): Promise<unknown[]> {
  const results = (await commands.exec()) ?? []
  return results.map(([err, result]) => {
    if (err !== null) throw err
    return result
  })
}
