import type { PolicyEvent } from './events.ts'
import type { PolicyDefinition } from './policy.ts'

/** The present policy of a config key, with its last change. */
export interface PolicyRecord {
  readonly key: string
  readonly version: number
  readonly policy: PolicyDefinition
  /** ISO 8601, UTC. */
  readonly updatedAt: string
  readonly updatedBy: string
}

/** The record that an event leaves in the projection; `undefined` after a deletion. */
export function recordOf({ key, version, policy, at, actor }: PolicyEvent): PolicyRecord | undefined {
  return policy === null ? undefined : { key, version, policy, updatedAt: at, updatedBy: actor }
}
