/** What one of several limits has left. */
export interface LimitValues {
  readonly name: string
  readonly limit: number
  readonly remaining: number
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number
}

/** What the service decided. Times are in milliseconds. */
export interface Decision {
  readonly allowed: boolean
  readonly key: string
  /** The config key of the policy that matched, or `default`. */
  readonly policy: string
  readonly policyVersion: number
  readonly limit: number
  /** Whole tokens left; `null` while the service's store is away and the policy allows then. */
  readonly remaining: number | null
  /** 0 when allowed, `null` when the check can never pass, as under a policy that blocks. */
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number | null
  readonly source: 'redis' | 'denied-cache' | 'local' | 'outage' | 'policy'
  /** The service's store could not be asked. */
  readonly degraded?: boolean
  /** The check would have been denied if its policy were enforced. */
  readonly shadowed?: boolean
  /** The names of the limits that denied. */
  readonly 'violated-policies'?: readonly string[]
  readonly limits?: readonly LimitValues[]
  /** What kind of denial it is. */
  readonly code?: 'quota-exceeded' | 'blocked'
}

/** The service could not decide or be reached: what the owner of the client said shall then be. */
export interface Fallback {
  readonly allowed: boolean
  readonly key: string
  readonly source: 'client'
  /** Why: a time-out, a lost connection, or the service's own problem. */
  readonly failure: unknown
}

/** A check of a batch that can never be decided, such as one of more tokens than its limit holds. */
export interface Refusal {
  readonly allowed: false
  readonly key: string
  readonly code: string
  readonly status: number
  readonly title: string
  readonly detail: string
}
