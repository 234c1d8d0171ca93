import { randomUUID } from 'node:crypto'
import type { ChainableCommander } from 'ioredis'
import { DamagedKey, DamagedRecord } from '../../config-change/damaged-store.ts'
import type { LogEntry, StoredEntry } from '../../config-change/log-ports.ts'
import { type LogBounds, LogMovedOn, type MaintainedLog } from '../../config-change/maintenance/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import type { ConfigKeys } from '../keys.ts'
import { foldScript, repairLogScript } from '../scripts.ts'
import { isWrongType } from '../wrong-type.ts'
import {
  eventMark,
  parseCompacted,
  parseEntry,
  parsePosition,
  parseUnlessDamaged,
  type StreamEntry,
} from './config-json.ts'
import { expiringKeys } from './expiring-keys.ts'
import { foldArguments } from './fold-arguments.ts'
import { namingDamage, wrongTypes } from './naming-damage.ts'
import { type ReadCommand, type ReadTogether, type Replies, readingTogether } from './read-together.ts'
import { scanMembers } from './scan-members.ts'

/** Also the maximum that one step of a compaction moves. */
const EVENTS_PER_READ = 500

/** The log of one partition, for verify, rebuild and compact. */
export class RedisMaintainedLog implements MaintainedLog {
  readonly #redis: RedisClient
  readonly #keys: ConfigKeys
  readonly #readTogether: ReadTogether
  readonly #fold: DefinedScript<0 | 1>
  readonly #repair: DefinedScript<readonly string[]>

  constructor(redis: RedisClient, keys: ConfigKeys) {
    this.#redis = namingDamage(redis)
    this.#readTogether = readingTogether(this.#redis)
    this.#fold = defineScript(this.#redis, 'throttlerFold', foldScript)
    this.#repair = defineScript(this.#redis, 'throttlerRepairLog', repairLogScript)
    this.#keys = keys
  }

  async bounds(): Promise<LogBounds> {
    return boundsOf(throwingErrors(await this.#readBounds()))
  }

  async *snapshot(): AsyncGenerator<readonly StoredEntry[]> {
    const scan = { command: 'HSCAN', key: this.#keys.snapshot, keys: this.#keys } as const
    for await (const { members } of scanMembers(this.#redis, scan))
      yield members.map(([, json]) => parseUnlessDamaged(() => parseCompacted(json), 0))
  }

  async oldest(): Promise<readonly StoredEntry[]> {
    return (await this.#redis.xrange(this.#keys.log, '-', '+', 'COUNT', EVENTS_PER_READ)).map(parseStored)
  }

  /** Reads from the last event on, which must still be the same, as followers do. */
  async read(after: LogBounds): Promise<{ at: LogBounds; entries: readonly StoredEntry[] }> {
    const following = ['XRANGE', this.#keys.log, `${after.last}-0`, '+', 'COUNT', `${EVENTS_PER_READ + 1}`] as const
    const results = throwingErrors(await this.#readBounds(following))
    const found = results.pop() as StreamEntry[]
    const bounds = boundsOf(results)
    const difference = differenceFrom(after, bounds, found[0])
    if (difference !== undefined) throw new LogMovedOn(`${difference} while it was read`)
    const entries = after.lastEventMark === null ? found : found.slice(1)
    const end = entries.length === 0 ? after : endAt(bounds, entries.at(-1))
    return { at: { ...end, compactedTo: bounds.compactedTo }, entries: entries.map(parseStored) }
  }

  async damage(): Promise<readonly string[]> {
    const { log, identity, compactedTo, snapshot } = this.#keys
    const expected = { [log]: 'stream', [identity]: 'string', [compactedTo]: 'string', [snapshot]: 'hash' }
    const ofAnotherType = await wrongTypes(this.#redis, expected)
    if (ofAnotherType.length > 0) return ofAnotherType
    try {
      return [...(await expiringKeys(this.#redis, Object.keys(expected))), ...(await this.#damageOfEnd())]
    } catch (err) {
      if (err instanceof DamagedRecord) return [err.message]
      throw err
    }
  }

  /** A stream counts on from its last event even if another program has deleted that: appends to such a log fail. */
  async #damageOfEnd(): Promise<readonly string[]> {
    const { log } = this.#keys
    const results = await this.#readBounds(['XINFO', 'STREAM', log])
    const [err, info] = results.pop() ?? []
    if (err && !NO_STREAM.test(err.message)) throw err
    const { last } = boundsOf(throwingErrors(results))
    const generated = lastGenerated(info)
    if (generated <= last) return []
    return [`events after position ${last}, up to ${generated}, were deleted from "${log}"; run "throttler rebuild"`]
  }

  #readBounds(...others: readonly ReadCommand[]): Promise<Replies> {
    const { identity, compactedTo, log } = this.#keys
    return this.#readTogether([identity, compactedTo, log], [...boundsCommands(this.#keys), ...others])
  }

  repair(): Promise<readonly string[]> {
    const { log, identity, compactedTo, snapshot } = this.#keys
    const copy = this.#keys.draft(randomUUID(), 'log')
    return this.#repair(5, log, identity, compactedTo, copy, snapshot, randomUUID())
  }

  async fold(bounds: LogBounds, entries: readonly LogEntry[]): Promise<boolean> {
    return (await this.#fold(...foldArguments(this.#keys, bounds, entries))) === 1
  }
}

/** The commands whose results `boundsOf` reads. */
export function boundsCommands({ identity, compactedTo, log }: ConfigKeys): readonly ReadCommand[] {
  return [
    ['GET', identity],
    ['GET', compactedTo],
    ['XRANGE', log, '-', '+', 'COUNT', '1'],
    ['XREVRANGE', log, '+', '-', 'COUNT', '1'],
  ]
}

/** @throws {DamagedRecord} if the log contradicts the position up to which it is compacted */
export function boundsOf(results: readonly unknown[]): LogBounds {
  const [identity, stored, [first], [last]] = results as [string | null, string | null, StreamEntry[], StreamEntry[]]
  const compactedTo = parseCompactedTo(stored ?? '0', first && parsePosition(first))
  return endAt({ identity, compactedTo }, last)
}

type LogStart = Pick<LogBounds, 'identity' | 'compactedTo'>

function endAt({ identity, compactedTo }: LogStart, entry: StreamEntry | undefined): LogBounds {
  if (entry === undefined) return { identity, compactedTo, last: compactedTo, lastEventMark: null }
  return { identity, compactedTo, last: parsePosition(entry), lastEventMark: eventMark(entry) }
}

/**
 * Why the log does not continue the one that ended at these bounds; `undefined` if it does.
 * @param found the first entry at or after the last position of those bounds
 */
function differenceFrom(after: LogBounds, bounds: LogBounds, found: StreamEntry | undefined): string | undefined {
  if (bounds.identity !== after.identity) return 'the log was replaced'
  const { last, lastEventMark } = after
  const { compactedTo } = bounds
  if (compactedTo > last || (compactedTo === last && lastEventMark !== null)) return 'the log was compacted'
  if (compactedTo < after.compactedTo) return 'the policy store lost a compaction of the log'
  if (lastEventMark === null) return undefined
  const isSame = found !== undefined && parsePosition(found) === last && eventMark(found) === lastEventMark
  return isSame ? undefined : 'the policy store lost the last events of the log'
}

function parseStored(entry: StreamEntry): StoredEntry {
  return parseUnlessDamaged(() => parseEntry(entry), parsePosition(entry))
}

/** The position from which a stream counts, by the reply of XINFO; 0 without a stream. */
function lastGenerated(info: unknown): number {
  if (!Array.isArray(info)) return 0
  return Number.parseInt(info[info.indexOf('last-generated-id') + 1], 10)
}

/** The same rule as in `lua/repair-log.lua`. */
function parseCompactedTo(stored: string, first: number | undefined): number {
  const position = /^\d+$/.test(stored) ? Number(stored) : Number.NaN
  if (position < (first ?? Number.MAX_SAFE_INTEGER)) return position
  const log = first === undefined ? 'is empty' : `begins at position ${first}`
  throw new DamagedRecord(`"compacted-to" is ${JSON.stringify(stored)}, but the log ${log}; run "throttler rebuild"`)
}

/** The reply to XINFO if the log does not exist. */
const NO_STREAM = /no such key/

/** The error of a command that is read together with others, or in a pipeline, does not name its key. */
const UNNAMED_DAMAGE = 'a key of the policy store has another type; "throttler verify" names it'

/** The results of a transaction or pipeline. @throws {DamagedKey} or the first error among them */
export async function resultsOf(commands: ChainableCommander): Promise<unknown[]> {
  return throwingErrors((await commands.exec()) ?? [])
}

export function throwingErrors(results: readonly [Error | null, unknown][]): unknown[] {
  return results.map(([err, result]) => {
    if (err === null) return result
    throw isWrongType(err) ? new DamagedKey(UNNAMED_DAMAGE, { cause: err }) : err
  })
}
