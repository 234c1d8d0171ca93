/** What the console reads of the bodies of the HTTP API. */

export interface Limit {
  readonly name: string
  readonly kind?: string
  readonly capacity: number
  readonly refillTokens?: number
  readonly refillIntervalMs?: number
  readonly period?: string
  readonly timeZone?: string
  readonly anchor?: string
  readonly shadow?: boolean
}

/** The part of a policy that an operator writes. Members that are not named here are kept as they are. */
export interface PolicyDefinition {
  readonly limits?: readonly Limit[]
  readonly mode?: string
  readonly onStoreFailure?: string
  readonly overdraft?: boolean
  readonly description?: string
  readonly expiresAt?: string
  readonly then?: PolicyDefinition | null
}

export interface StoredPolicy extends PolicyDefinition {
  readonly key: string
  readonly version: number
  readonly updatedAt: string
  readonly updatedBy: string
}

export interface PolicyPage {
  readonly items: readonly StoredPolicy[]
  readonly nextCursor?: string
}

export interface PolicyEvent {
  readonly version: number
  readonly type: string
  readonly at: string
  readonly actor: string
  readonly reason?: string
  readonly commandId: string
  readonly policy: PolicyDefinition | null
}

export interface HistoryPage {
  readonly key: string
  readonly events: readonly PolicyEvent[]
  readonly nextCursor?: string
}

export interface DryRun {
  readonly from: PolicyDefinition | null
  readonly to: PolicyDefinition | null
  readonly matches: number
  readonly warnings: readonly string[]
}

export interface LimitState {
  readonly name: string
  readonly limit: number
  readonly remaining: number
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number
  readonly shadow?: boolean
}

export interface Decision {
  readonly key: string
  readonly allowed: boolean
  readonly policy: string
  readonly policyVersion: number
  readonly limit: number | null
  readonly remaining: number | null
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number | null
  readonly source: string
  readonly degraded?: boolean
  readonly shadowed?: boolean
  readonly 'violated-policies'?: readonly string[]
  readonly limits?: readonly LimitState[]
}

/** What one reservation holds of a key. */
export interface Held {
  readonly tokens: number
  readonly expiresAt: string
}

export interface Bucket extends Decision {
  /** The first 100 reservations to expire; absent if there are none. */
  readonly held?: readonly Held[]
  readonly definition: PolicyDefinition & { readonly policy: string; readonly version: number }
}

export interface Denial {
  readonly at: string
  readonly key: string
  readonly policy: string
  readonly policyVersion: number
  readonly violated: readonly string[]
  readonly tokens: number
  readonly remaining: number | null
  readonly retryAfterMs: number | null
  readonly source: string
  readonly requestId?: string
}

export interface DenialPage {
  readonly items: readonly Denial[]
  readonly nextCursor?: string
}

export interface TopKeys {
  readonly from: string
  readonly to: string
  readonly items: readonly { readonly key: string; readonly policy: string; readonly count: number }[]
  readonly maxError: number
}

export const OUTCOMES = ['allowed', 'denied', 'shadowed', 'error'] as const
export type Outcome = (typeof OUTCOMES)[number]

export interface Stats {
  readonly from: string
  readonly to: string
  readonly stepSeconds: number
  readonly series: Readonly<Record<Outcome, readonly number[]>>
}

export interface Health {
  readonly status: 'ok' | 'degraded'
  readonly version: string
  readonly uptimeSeconds: number
  readonly store: 'up' | 'down'
  readonly configStore: 'up' | 'down'
  readonly circuit: 'closed' | 'half-open' | 'open'
  readonly reason?: string
}

/** A change that was accepted, and whose outcome was not known in time. */
export interface Command {
  readonly commandId?: string
}

/** What has become of a change. */
export interface CommandStatus {
  readonly status: string
  readonly version?: number
  readonly error?: { readonly title?: string; readonly detail?: string }
}

export const WINDOWS = ['1m', '5m', '15m', '1h', '6h', '24h'] as const
export type Window = (typeof WINDOWS)[number]
