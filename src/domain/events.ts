import type { Idempotency } from './commands.ts'
import type { PolicyDefinition } from './policy.ts'
import { hasNewParts, type StoredPolicy } from './temporary-policy.ts'

/** The schema of the events that release 0.1.0 reads. */
export const FIRST_SCHEMA = 1

/** The schema of events with parts that release 0.1.0 does not know, so that it refuses them. */
export const LATEST_SCHEMA = 2

export type EventSchema = typeof FIRST_SCHEMA | typeof LATEST_SCHEMA

export const EVENT_TYPES = ['created', 'changed', 'deleted', 'rolled-back', 'imported', 'expired'] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** A recorded change of a policy. Events are never edited. */
export interface PolicyEvent {
  readonly schema: EventSchema
  readonly key: string
  /** 1 for a key's first event, one more for each further one. */
  readonly version: number
  readonly type: EventType
  /** ISO 8601, UTC. */
  readonly at: string
  readonly actor: string
  readonly reason?: string
  readonly commandId: string
  /** The embedded store restores Idempotency-Keys from it after a restart. */
  readonly idempotency?: Idempotency
  /** The id of the request, which links the log lines of a change. */
  readonly requestId?: string
  /** The new policy; `null` for a deletion. */
  readonly policy: StoredPolicy | null
  /**
   * For a temporary policy, the last policy that the key had without an end. It follows the next temporary policy that does not say
   * what does. Absent if it equals `policy.then`.
   */
  readonly lasting?: PolicyDefinition | null
}

/** The lowest schema that can express such an event. */
export function schemaOf({ type, policy }: Pick<PolicyEvent, 'type' | 'policy'>): EventSchema {
  return type === 'expired' || hasNewParts(policy) ? LATEST_SCHEMA : FIRST_SCHEMA
}

/** An event that this release cannot read: of a later release, or invalid. */
export class UnknownEventSchema extends Error {
  override readonly name = 'UnknownEventSchema'
}

/**
 * Converts an event of this or an earlier release to the present schema. Events in a log are never rewritten: a release whose
 * `PolicyEvent` no longer fits old events adds a schema, and here a case that converts them.
 * @throws {UnknownEventSchema}
 */
export function upcast(stored: unknown): PolicyEvent {
  const { schema } = Object(stored) as { schema?: unknown }
  switch (schema) {
    case FIRST_SCHEMA:
    case LATEST_SCHEMA:
      return stored as PolicyEvent
    default:
      throw new UnknownEventSchema(
        `the log has an event of schema ${schema}; this release reads up to ${LATEST_SCHEMA}`,
      )
  }
}
