/** How events and policies stand in Redis: as JSON that only this service writes. */
import type { LogEntry, PolicyRecord } from '../config-change/ports.ts'
import { type PolicyEvent, upcast } from '../domain/events.ts'

/** An entry of a stream, as ioredis returns it: its id, and its fields and values in turn. */
export type StreamEntry = [id: string, fields: string[]]

/** The event of an entry as it is written. */
export function eventText([, fields]: StreamEntry): string {
  return fields[fields.indexOf('event') + 1] ?? ''
}

/** @throws {UnknownEventSchema} */
export function parseEvent(entry: StreamEntry): PolicyEvent {
  return upcast(JSON.parse(eventText(entry)))
}

/** The position of an entry `1841-0`: 1841. */
export function parsePosition([id]: StreamEntry): number {
  return Number.parseInt(id, 10)
}

/** @throws {UnknownEventSchema} */
export function parseEntry(entry: StreamEntry): LogEntry {
  return { position: parsePosition(entry), event: parseEvent(entry) }
}

/** An event of the snapshot, with its position. @throws {UnknownEventSchema} */
export function parseCompacted(json: string): LogEntry {
  const { position, event } = JSON.parse(json) as { position: number; event: unknown }
  return { position, event: upcast(event) }
}

export function parseRecord(key: string, json: string): PolicyRecord {
  return { key, ...(JSON.parse(json) as Omit<PolicyRecord, 'key'>) }
}
