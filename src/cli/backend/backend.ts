import type { AskedCheck } from '../../check/pending-check.ts'
import type { Conditions } from '../../domain/commands.ts'

/** What the commands for policies and buckets need: the service over HTTP, or its stores. Bodies are those of the HTTP API. */
export interface Backend {
  /** Spends tokens if the check is allowed. */
  check(asked: AskedCheck): Promise<DecisionBody>
  /** Fills the bucket of a key. */
  reset(key: string): Promise<void>
  get(key: string): Promise<PolicyBody>
  /** Every change of a policy, oldest first, in pages. */
  history(key: string): AsyncIterable<readonly EventBody[]>
  /** @param policy JSON */
  dryRun(key: string, policy: string): Promise<DryRunBody>
  /** Changes a policy, and waits until the change is in force. Returns the new policy; `undefined` after a deletion. */
  change(change: Change, wait: Wait): Promise<PolicyBody | undefined>
}

/** A change of the policy of a config key. */
export type Change = (
  | {
      readonly type: 'put'
      /** JSON. */
      readonly policy: string
    }
  | { readonly type: 'delete' }
  | { readonly type: 'rollback'; readonly version: number }
) & {
  readonly key: string
  readonly reason?: string
  readonly conditions?: Conditions
}

/** How long a command waits for the result of a change. */
export interface Wait {
  /** Infinity waits without a limit. */
  readonly timeoutMs: number
  /** Tells the user what the command waits for. */
  say(text: string): void
}

/** The answer to a check. A denial also has a `code` and a `detail`. */
export interface DecisionBody {
  readonly allowed: boolean
  readonly key: string
  readonly policy: string
  readonly policyVersion: number
  readonly limit: number | null
  readonly remaining: number | null
  readonly retryAfterMs: number | null
  readonly resetAfterMs: number | null
  readonly source: string
  readonly shadowed?: boolean
  readonly 'violated-policies'?: readonly string[]
  readonly limits?: readonly object[]
  readonly code?: string
  readonly detail?: string
}

/** A policy as operators write it. Commands print limits as they are, so that they need not know their kinds. */
export interface DefinitionBody {
  readonly limits?: readonly object[]
  readonly mode: string
  readonly onStoreFailure?: string
  readonly overdraft?: boolean
  readonly description?: string
  readonly expiresAt?: string
  readonly then?: DefinitionBody | null
}

export interface PolicyBody extends DefinitionBody {
  readonly key: string
  readonly version: number
  readonly updatedAt: string
  readonly updatedBy: string
}

export interface EventBody {
  readonly version: number
  readonly type: string
  readonly at: string
  readonly actor: string
  readonly reason?: string
  readonly commandId: string
  readonly policy: DefinitionBody | null
}

export interface DryRunBody {
  readonly dryRun: true
  readonly from: DefinitionBody | null
  readonly to: DefinitionBody | null
  readonly matches: number
  readonly warnings: readonly string[]
}

/** Events that one page of a history contains at most. */
export const EVENTS_PER_PAGE = 100
