import type { Idempotency } from './commands.ts'
import type { PolicyDefinition } from './policy.ts'

/** The schema of events as this release writes them. */
export const EVENT_SCHEMA = 1

export type EventType = 'created' | 'changed' | 'deleted' | 'rolled-back' | 'imported'

/** The recorded fact that a policy changed; never edited. */
export interface PolicyEvent {
  readonly schema: typeof EVENT_SCHEMA
  readonly key: string
  /** 1 for a key's first event, then one more each. */
  readonly version: number
  readonly type: EventType
  /** ISO 8601, UTC. */
  readonly at: string
  readonly actor: string
  readonly reason?: string
  readonly commandId: string
  /** So that the embedded store knows, after a restart, under which name the command was asked for. */
  readonly idempotency?: Idempotency
  /** The request that the command came with, so that a change can be followed through logs. */
  readonly requestId?: string
  /** The policy from then on; `null` when it was deleted. */
  readonly policy: PolicyDefinition | null
}

/** An event that this release cannot read: one of a later release, or none at all. */
export class UnknownEventSchema extends Error {
  override readonly name = 'UnknownEventSchema'
}

/**
 * An event as it stands in a log, written by any release up to this one, as one of today. Events in a log are never rewritten: a
 * release that changes `PolicyEvent` so that old events do not fit adds a schema, and here a case that lifts them.
 * @throws {UnknownEventSchema}
 */
export function upcast(stored: unknown): PolicyEvent {
  const { schema } = Object(stored) as { schema?: unknown }
  switch (schema) {
    case EVENT_SCHEMA:
      return stored as PolicyEvent
    default:
      throw new UnknownEventSchema(`the log has an event of schema ${schema}; this release reads ${EVENT_SCHEMA}`)
  }
}
