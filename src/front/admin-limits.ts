import { createHash } from 'node:crypto'
import type { AdminLimits } from '../access/callers.ts'
import { FREE_FAILED_LOGINS } from '../access/failed-logins.ts'
import { Checker, type CheckerOptions } from '../check/checker.ts'
import { DenialCache } from '../check/denial-cache.ts'
import type { CheckResult } from '../check/pending-check.ts'
import { PolicyLookup } from '../check/policy-lookup.ts'
import { compilePolicy, DEFAULT_POLICY, type PolicyDefinition } from '../domain/policy.ts'
import { PolicyTable } from '../domain/policy-table.ts'
import { Problem } from '../lib/errors.ts'

/** Keeps these buckets apart: no caller's key may begin with a control character. */
const PREFIX = '\u0000admin:'

/** A call spends from this many buckets at once: however few checks may wait, it must be possible. */
const BUCKETS_OF_CALL = 2

interface AdminLimitsOptions extends Pick<CheckerOptions, 'openQueue' | 'localBuckets' | 'maxWaiting'> {
  /** Admin calls of one token, or of one address. */
  readonly capacity: number
  readonly refillPerSecond: number
}

/** Limits admin calls and failed logins by the service's own buckets, exactly as it limits everybody else. */
export function adminLimits({ capacity, refillPerSecond, ...shared }: AdminLimitsOptions): AdminLimits {
  const policies = new PolicyTable(compilePolicy(DEFAULT_POLICY, 0, definitionOf(capacity, refillPerSecond)))
  policies.set(`${PREFIX}failed-logins:*`, 1, definitionOf(FREE_FAILED_LOGINS, 1))
  const checker = new Checker({
    ...shared,
    maxWaiting: Math.max(shared.maxWaiting, BUCKETS_OF_CALL),
    policies: new PolicyLookup(policies, () => Promise.resolve()),
    denialCache: new DenialCache(() => performance.now()),
    observer: { decided: ignore, undecided: ignore, storeCalled: ignore },
    onStoreFailure: 'local',
  })

  /** Takes one token of each key. Resolves with the time in ms until all of them would allow it. */
  const spend = async (keys: readonly string[]) => {
    const check = (key: string) =>
      new Promise<CheckResult>(resolve => checker.check({ key: PREFIX + key, tokens: 1 }, resolve))
    const results = await Promise.all(keys.map(check))
    return Math.max(...results.map(waitMs))
  }

  return {
    adminCall: (token, client) => spend([`calls:token:${digestOf(token)}`, `calls:address:${client}`]),
    failedLogin: client => spend([`failed-logins:${client}`]),
  }
}

/** A token's name may be longer than a key, and have characters that a key may not have. */
function digestOf(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

function definitionOf(capacity: number, refillPerSecond: number): PolicyDefinition {
  const limit = { name: DEFAULT_POLICY, capacity, refillTokens: refillPerSecond, refillIntervalMs: 1000 }
  return { limits: [limit], mode: 'enforce' }
}

function waitMs(result: CheckResult): number {
  if (result instanceof Problem) throw result
  return result.allowed ? 0 : (result.retryAfterMs ?? 0)
}

function ignore(): void {}
