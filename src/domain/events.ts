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
  /** The policy from then on; `null` when it was deleted. */
  readonly policy: PolicyDefinition | null
}
