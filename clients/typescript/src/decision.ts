export interface CheckOptions {
  /** How many tokens the check costs; 1 by default. With 0, it reads the limit and spends nothing. */
  readonly tokens?: number | undefined
  /** The config key of the policy that decides, such as `plan:gold`. An exact policy of the key still takes precedence. */
  readonly policy?: string | undefined
}

export interface Check extends CheckOptions {
  readonly key: string
}

/** The values of one of several limits. */
export interface LimitValues {
  readonly name: string
  readonly limit: number
  readonly remaining: number
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number
  /** Set for a shadow limit, which is counted and denies nobody. */
  readonly shadow?: true
}

/** The service's decision, with the values after spending. Times are in milliseconds. */
export interface Decision {
  readonly allowed: boolean
  readonly key: string
  /** The config key of the policy that decided, or `default`. */
  readonly policy: string
  readonly policyVersion: number
  readonly limit: number | null
  /** Whole tokens left; `null` if the bucket store is unavailable and the policy allows the check without it. */
  readonly remaining: number | null
  /** 0 if allowed; `null` if waiting does not help, as under a policy that blocks. */
  readonly retryAfterMs: number | null
  /** Time until the limit is full. */
  readonly resetAfterMs: number | null
  readonly source: 'redis' | 'denied-cache' | 'local' | 'outage' | 'policy'
  /** The bucket store was needed but unavailable. */
  readonly degraded?: boolean
  /** The check would have been denied if its policy, or a shadow limit, were enforced. */
  readonly shadowed?: boolean
  /** The names of the limits that denied, or would have if they were enforced. */
  readonly 'violated-policies'?: readonly string[]
  /** The values of each limit, if the policy has two or more. */
  readonly limits?: readonly LimitValues[]
  /** Why the check was denied. */
  readonly code?: 'quota-exceeded' | 'blocked'
  /** Only a {@link Fallback} has it. */
  readonly failure?: undefined
}

/** A decision of checks that are allowed together or not at all. Its own members are those of the check that binds. */
export interface AllDecision extends Decision {
  /** The decision of each check, in the order of the checks. */
  readonly results: readonly Decision[]
}

/** Declared so that a call's result can be read before it is known whether the service decided. */
type MembersOfDecisionsOnly = {
  readonly [Name in Exclude<keyof Decision, 'allowed' | 'key' | 'source' | 'failure'>]?: undefined
}

/**
 * Takes the place of a decision if the service gave none: what `onFailure` says. A key that has too many reservations is
 * denied, whatever it says.
 */
export interface Fallback extends MembersOfDecisionsOnly {
  readonly allowed: boolean
  readonly key: string
  readonly source: 'client'
  /** Why there is no decision: a timeout, a lost connection, or a `ServiceError`. */
  readonly failure: unknown
}

/** The same in place of a decision of several checks. `key` is that of the first. */
export interface AllFallback extends Fallback {
  readonly results: readonly Fallback[]
}
