import { DamagedKey } from '../../config-change/damaged-store.ts'
import {
  type EventLog,
  LogCompacted,
  type LogPosition,
  type LogRead,
  LogReplaced,
  type PolicyChunk,
} from '../../config-change/log-ports.ts'
import type { PolicyRecord } from '../../domain/policy-record.ts'
import type { RedisClient } from '../connection/connection.ts'
import { ConfigKeys } from '../keys.ts'
import { eventMark, parseEntry, parsePosition, readRecord, type StreamEntry } from './config-json.ts'
import { namingDamage } from './naming-damage.ts'
import { scanMembers } from './scan-members.ts'
import { parseName, shownName } from './stored-name.ts'

const EVENTS_PER_READ = 500

interface DamageListener {
  /** Called for each policy that is left out. */
  damaged(key: string): void
  /** Called if all policies of a partition are left out. */
  unreadable(fault: DamagedKey): void
}

/** The partitions' logs as Redis Streams, whose entries are numbered 1-0, 2-0, 3-0 … */
export class RedisEventLog implements EventLog {
  readonly #redis: RedisClient
  readonly #keyPrefix: string
  readonly #damage: DamageListener

  /** @param damage is notified of policies that are left out */
  constructor(redis: RedisClient, keyPrefix: string, damage: DamageListener) {
    this.#redis = namingDamage(redis)
    this.#keyPrefix = keyPrefix
    this.#damage = damage
  }

  /**
   * The position is read before the policies, so changes that are made meanwhile are followed and none is missed. Policies are read
   * even if the log itself is damaged.
   */
  async snapshot(partition: number): Promise<{ at: LogPosition; chunks: AsyncIterable<PolicyChunk> }> {
    const keys = new ConfigKeys(this.#keyPrefix, partition)
    const [identity, [last]] = await Promise.all([
      unlessDamaged(this.#redis.get(keys.identity), null),
      unlessDamaged(this.#redis.xrevrange(keys.log, '+', '-', 'COUNT', 1), []),
    ])
    return { at: positionAt(identity, last), chunks: this.#policies(keys) }
  }

  async *#policies(keys: ConfigKeys): AsyncGenerator<PolicyChunk> {
    try {
      for await (const part of scanMembers(this.#redis, { command: 'HSCAN', key: keys.policies, keys })) {
        const records = part.members.flatMap(([name, json]) => this.#readable(name, json))
        yield { records, logEnd: positionAt(part.identity, part.last) }
      }
    } catch (err) {
      if (!(err instanceof DamagedKey)) throw err
      this.#damage.unreadable(err)
    }
  }

  #readable(name: Buffer, json: string): PolicyRecord | readonly PolicyRecord[] {
    const key = parseName(name)
    const record = key === undefined ? undefined : readRecord(key, json)
    if (record === undefined) this.#damage.damaged(shownName(name))
    return record ?? []
  }

  /** Reads from the position itself, whose event must still be the one that was followed. */
  async read(partition: number, after: LogPosition): Promise<LogRead> {
    const keys = new ConfigKeys(this.#keyPrefix, partition)
    const [identity, logEvents, found] = await Promise.all([
      this.#redis.get(keys.identity),
      this.#redis.xlen(keys.log),
      this.#redis.xrange(keys.log, `${after.position}-0`, '+', 'COUNT', EVENTS_PER_READ + 1),
    ])
    const difference = differenceFrom(after, identity, found)
    if (difference !== undefined) throw await this.#lossOf(keys, after, identity, difference)
    const entries = after.position === 0 ? found : found.slice(1)
    return {
      at: entries.length === 0 ? { ...after, identity } : positionAt(identity, entries.at(-1)),
      entries: entries.map(parseEntry),
      hasMore: found.length > EVENTS_PER_READ,
      logEvents,
    }
  }

  /** Why the followed log does not continue: it was compacted or replaced. */
  async #lossOf(keys: ConfigKeys, after: LogPosition, identity: string | null, difference: string): Promise<Error> {
    const isSameLog = after.identity === null || after.identity === identity
    const compactedTo = Number((await this.#redis.get(keys.compactedTo)) ?? 0)
    return isSameLog && compactedTo >= Math.max(1, after.position)
      ? new LogCompacted(difference)
      : new LogReplaced(difference)
  }
}

async function unlessDamaged<T>(answer: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await answer
  } catch (err) {
    if (err instanceof DamagedKey) return otherwise
    throw err
  }
}

function positionAt(identity: string | null, entry: StreamEntry | undefined): LogPosition {
  if (entry === undefined) return { identity, position: 0, eventMark: null }
  return { identity, position: parsePosition(entry), eventMark: eventMark(entry) }
}

/** Why the entries from a position on do not continue the followed log; `undefined` if they do. */
function differenceFrom(
  after: LogPosition,
  identity: string | null,
  found: readonly StreamEntry[],
): string | undefined {
  if (after.identity !== null && identity !== after.identity) return 'the log has another identity'
  const [first] = found
  if (after.position === 0) {
    return first === undefined || parsePosition(first) === 1 ? undefined : 'the log does not begin at position 1'
  }
  if (first === undefined) return `the log ends before position ${after.position}`
  if (parsePosition(first) !== after.position) return `the log begins after position ${after.position}`
  return eventMark(first) === after.eventMark ? undefined : `position ${after.position} holds another event`
}
