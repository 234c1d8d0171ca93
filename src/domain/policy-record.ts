import type { PolicyEvent } from './events.ts'
import type { PolicyDefinition } from './policy.ts'
import { hasEnded, type StoredPolicy } from './temporary-policy.ts'

/** The author of what the service does by itself. */
export const SERVICE_ACTOR = 'throttler'

/** The present policy of a config key, with its last change. */
export interface PolicyRecord {
  readonly key: string
  readonly version: number
  readonly policy: StoredPolicy
  /** As in the event. */
  readonly lasting?: PolicyDefinition | null
  /** The version only records that the one before it has ended. */
  readonly isRecordedEnd?: true
  /** The temporary policy of this version has ended, and `policy` is what follows it. Never stored. */
  readonly isEnded?: true
  /** ISO 8601, UTC. */
  readonly updatedAt: string
  readonly updatedBy: string
}

/** The record that an event leaves in the projection; `undefined` after a deletion. */
export function recordOf({ key, version, type, policy, lasting, at, actor }: PolicyEvent): PolicyRecord | undefined {
  if (policy === null) return undefined
  return {
    key,
    version,
    policy,
    ...(lasting !== undefined && { lasting }),
    ...(type === 'expired' && { isRecordedEnd: true }),
    updatedAt: at,
    updatedBy: actor,
  }
}

/** The record as it is now; `undefined` if its policy has ended and none follows. */
export function recordAt(record: PolicyRecord, nowMs: number): PolicyRecord | undefined {
  const { key, version, policy } = record
  if (!hasEnded(policy, nowMs)) return record
  if (policy.then === null) return undefined
  return { key, version, policy: policy.then, isEnded: true, updatedAt: policy.expiresAt, updatedBy: SERVICE_ACTOR }
}
