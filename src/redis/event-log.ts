import type { Redis } from 'ioredis'
import { type EventLog, type LogPosition, LogReplaced, type PolicyRecord } from '../config-change/ports.ts'
import { parseEvent, parsePosition, parseRecord, type StreamEntry } from './config-json.ts'
import { ConfigKeys } from './keys.ts'

const EVENTS_A_READ = 500

/** The partitions' logs as Redis Streams, whose entries are numbered 1-0, 2-0, 3-0 … */
export class RedisEventLog implements EventLog {
  readonly #redis: Redis
  readonly #keyPrefix: string

  constructor(redis: Redis, keyPrefix: string) {
    this.#redis = redis
    this.#keyPrefix = keyPrefix
  }

  /** The position is read before the policies, so that what changes meanwhile is followed, not missed. */
  async snapshot(partition: number): Promise<{ at: LogPosition; records: readonly PolicyRecord[] }> {
    const keys = new ConfigKeys(this.#keyPrefix, partition)
    const [identity, last] = await Promise.all([
      this.#redis.get(keys.identity),
      this.#redis.xrevrange(keys.log, '+', '-', 'COUNT', 1),
    ])
    const at = positionAt(identity, last[0])
    const records: PolicyRecord[] = []
    for await (const page of this.#redis.hscanStream(keys.policies, { count: EVENTS_A_READ })) {
      const fields = page as string[]
      for (let i = 0; i < fields.length; i += 2) records.push(parseRecord(fields[i] ?? '', fields[i + 1] ?? ''))
    }
    return { at, records }
  }

  /** Reads from the position itself: its event must still be the one that was followed. */
  async read(partition: number, after: LogPosition) {
    const keys = new ConfigKeys(this.#keyPrefix, partition)
    const [identity, found] = await Promise.all([
      this.#redis.get(keys.identity),
      this.#redis.xrange(keys.log, `${after.position}-0`, '+', 'COUNT', EVENTS_A_READ + 1),
    ])
    const entries = after.position === 0 ? found : found.slice(1)
    if (after.position > 0 && !isSame(after, found[0]))
      throw new LogReplaced(`position ${after.position} holds another event`)
    if (identity !== after.identity && after.identity !== null) throw new LogReplaced('the log has another identity')
    return {
      at: entries.length === 0 ? { ...after, identity } : positionAt(identity, entries.at(-1)),
      entries: entries.map(entry => ({ position: parsePosition(entry), event: parseEvent(entry) })),
    }
  }
}

function positionAt(identity: string | null, entry: StreamEntry | undefined): LogPosition {
  if (entry === undefined) return { identity, position: 0, commandId: null }
  return { identity, position: parsePosition(entry), commandId: parseEvent(entry).commandId }
}

function isSame(at: LogPosition, entry: StreamEntry | undefined): boolean {
  return entry !== undefined && parsePosition(entry) === at.position && parseEvent(entry).commandId === at.commandId
}
