/** How events and policies are stored in Redis: as JSON, which another program may have overwritten. */

import { DamagedRecord } from '../../config-change/damaged-store.ts'
import type { DamagedEntry, LogEntry, StoredEntry } from '../../config-change/log-ports.ts'
import { FIRST_SCHEMA, type PolicyEvent, upcast } from '../../domain/events.ts'
import type { PolicyRecord } from '../../domain/policy-record.ts'
import { isPolicyDefinition, isStoredPolicy } from '../../domain/stored-policy.ts'
import { hasNewParts } from '../../domain/temporary-policy.ts'
import { parseJson } from '../../lib/parse-json.ts'

/** An entry of a stream as ioredis returns it: the id, then fields and values in turn. */
export type StreamEntry = [id: string, fields: string[]]

/** The stored JSON of an event. */
function eventText([, fields]: StreamEntry): string {
  return fields[fields.indexOf('event') + 1] ?? ''
}

/**
 * Distinguishes an entry of a log from another one at its position, also for scripts: the same rule as in `lua/event-mark.lua`. Only
 * ASCII counts, since the client does not preserve invalid UTF-8.
 */
export function eventMark([, fields]: StreamEntry): string {
  return fields.join(' ').replace(/\P{ASCII}+/gu, '')
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

/**
 * A policy record as it is stored under its key. A record with parts that release 0.1.0 does not know has its policy under another
 * name, so that 0.1.0 reports it as damaged instead of enforcing a part of it.
 */
export function recordJson({ key: _, ...record }: PolicyRecord): string {
  const { policy, isRecordedEnd, ...rest } = record
  if (!hasNewParts(policy) && isRecordedEnd === undefined) return JSON.stringify(record)
  return JSON.stringify({ ...rest, ...(isRecordedEnd && { isRecordedEnd }), definition: policy })
}

/** `undefined` if the record is damaged. */
export function readRecord(key: string, json: string): PolicyRecord | undefined {
  const record = withPolicy(parseJson(json))
  return isRecord(record) ? { key, ...record } : undefined
}

function withPolicy(stored: unknown): unknown {
  const { definition, ...record } = Object(stored) as Record<string, unknown>
  return definition === undefined ? stored : { ...record, policy: definition }
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
  const { version, policy, lasting, updatedAt, updatedBy } = Object(value) as Record<string, unknown>
  return isNumber(version) && isString(updatedAt) && isString(updatedBy) && isStoredPolicy(policy) && isLasting(lasting)
}

/** The member is absent unless the policy is temporary. */
function isLasting(value: unknown): boolean {
  return value == null || isPolicyDefinition(value)
}

function parseEvent(stored: unknown, damage: string): PolicyEvent {
  const { schema } = Object(stored) as { schema?: unknown }
  if (!isNumber(schema) || schema < FIRST_SCHEMA) throw new DamagedRecord(damage)
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
  lasting,
}: { readonly [member in keyof PolicyEvent]?: unknown }) {
  return (
    isNumber(version) &&
    [key, type, at, actor, commandId].every(isString) &&
    (policy === null || isStoredPolicy(policy)) &&
    isLasting(lasting)
  )
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}
