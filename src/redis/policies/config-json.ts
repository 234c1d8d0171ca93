/** How events and policies are stored in Redis: as JSON, which another program may have overwritten. */

import { DamagedRecord } from '../../config-change/damaged-store.ts'
import type { DamagedEntry, LogEntry, StoredEntry } from '../../config-change/log-ports.ts'
import { EVENT_SCHEMA, type PolicyEvent, upcast } from '../../domain/events.ts'
import type { PolicyRecord } from '../../domain/policy-record.ts'
import { isPolicyDefinition } from '../../domain/stored-policy.ts'
import { parseJson } from '../../lib/parse-json.ts'

/** An entry of a stream as ioredis returns it: the id, then fields and values in turn. */
export type StreamEntry = [id: string, fields: string[]]

/** The stored JSON of an event. */
export function eventText([, fields]: StreamEntry): string {
  return fields[fields.indexOf('event') + 1] ?? ''
}

/** The position of an entry `1841-0`: 1841. */
export function parsePosition([id]: StreamEntry): number {
  return Number.parseInt(id, 10)
}

/** @throws {UnknownEventSchema} if a later release wrote the event @throws {DamagedRecord} */
export function parseEntry(entry: StreamEntry): LogEntry {
  const position = parsePosition(entry)
  return { position, event: parseEvent(parseJson(eventText(entry)), `the event at position ${position} is damaged`) }
}

/** Parses an entry of the snapshot: an event with its position. @throws as `parseEntry` */
export function parseCompacted(json: string): LogEntry {
  const { position, event } = Object(parseJson(json)) as { position?: unknown; event?: unknown }
  const damage = 'a compacted event is damaged'
  if (!isNumber(position)) throw new DamagedRecord(damage)
  return { position, event: parseEvent(event, damage) }
}

/** Returns damage instead of throwing it. @throws {UnknownEventSchema} */
export function parseUnlessDamaged(parse: () => LogEntry, position: number): StoredEntry {
  try {
    return parse()
  } catch (err) {
    if (!(err instanceof DamagedRecord)) throw err
    return { position, damage: err.message } satisfies DamagedEntry
  }
}

/** `undefined` if the record is damaged. */
export function readRecord(key: string, json: string): PolicyRecord | undefined {
  const record: unknown = parseJson(json)
  return isRecord(record) ? { key, ...record } : undefined
}

/** @throws {DamagedRecord} */
export function parseRecord(key: string, json: string): PolicyRecord {
  const record = readRecord(key, json)
  if (record === undefined) {
    throw new DamagedRecord(
      'the stored policy of this key is damaged; run "throttler rebuild" to restore it from the log',
    )
  }
  return record
}

function isRecord(value: unknown): value is Omit<PolicyRecord, 'key'> {
  const { version, policy, updatedAt, updatedBy } = Object(value) as Record<string, unknown>
  return isNumber(version) && isString(updatedAt) && isString(updatedBy) && isPolicyDefinition(policy)
}

function parseEvent(stored: unknown, damage: string): PolicyEvent {
  const { schema } = Object(stored) as { schema?: unknown }
  if (!isNumber(schema) || schema < EVENT_SCHEMA) throw new DamagedRecord(damage)
  const event = upcast(stored)
  if (!isEvent(event)) throw new DamagedRecord(damage)
  return event
}

function isEvent({
  key,
  version,
  type,
  at,
  actor,
  commandId,
  policy,
}: { readonly [member in keyof PolicyEvent]?: unknown }) {
  return (
    isNumber(version) &&
    [key, type, at, actor, commandId].every(isString) &&
    (policy === null || isPolicyDefinition(policy))
  )
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}
