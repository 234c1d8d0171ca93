import { createHash } from 'node:crypto'
import type { Answered, CheckQueue, OpenQueue, WaitingCheck } from '../check/check-batcher.ts'
import { Checker, type CheckResult } from '../check/checker.ts'
import { DeniedCache } from '../check/denial-cache.ts'
import type { LocalBuckets } from '../check/local-buckets.ts'
import type { BucketStore } from '../check/ports.ts'
import { compilePolicy, DEFAULT_POLICY, type PolicyDefinition } from '../domain/policy.ts'
import { PolicyTable } from '../domain/policy-table.ts'
import type { AdminLimits } from '../http/auth.ts'
import { Problem } from '../lib/errors.ts'

/** No caller's key may begin so, which keeps these buckets apart from all that a policy could match. */
const OWN_PREFIX = '\u0000admin:'

/** Failed logins of one address: so many at once, then one a second. */
const FAILED_LOGINS = 50

interface AdminLimitsOptions {
  readonly store: Pick<BucketStore, 'reset'>
  readonly openQueue: OpenQueue
  /** Decide while the store is away. */
  readonly localBuckets: LocalBuckets
  readonly capacity: number
  readonly refillPerSecond: number
  readonly maxWaiting: number
}

/** The service's own buckets: what limits operators, and whoever guesses tokens, as it limits everybody else. */
export function adminLimits(options: AdminLimitsOptions): AdminLimits {
  const { store, openQueue, localBuckets, capacity, refillPerSecond, maxWaiting } = options
  const policies = new PolicyTable(compilePolicy(DEFAULT_POLICY, 0, definitionOf(capacity, refillPerSecond)))
  policies.set('failed-logins:*', 1, definitionOf(FAILED_LOGINS, 1))
  const checker = new Checker({
    policies,
    store: { reset: key => store.reset(OWN_PREFIX + key) },
    openQueue: underOwnPrefix(openQueue),
    deniedCache: new DeniedCache(() => performance.now()),
    localBuckets,
    observer: { decided: ignore, undecided: ignore, storeCalled: ignore },
    onStoreFailure: 'local',
    maxWaiting,
  })

  /** From each, one token. Resolves with how long to wait until all would give it. */
  const spend = async (keys: readonly string[]) => {
    const check = (key: string) => new Promise<CheckResult>(resolve => checker.check(key, 1, resolve))
    const results = await Promise.all(keys.map(check))
    return Math.max(...results.map(waitMs))
  }

  return {
    adminCall: (token, client) => spend([`calls:token:${digestOf(token)}`, `calls:address:${client}`]),
    failedLogin: client => spend([`failed-logins:${client}`]),
  }
}

/** A token's name may be longer than a key, and be made of what no key may have. */
function digestOf(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

function definitionOf(capacity: number, refillPerSecond: number): PolicyDefinition {
  const limit = { name: DEFAULT_POLICY, capacity, refillTokens: refillPerSecond, refillIntervalMs: 1000 }
  return { limits: [limit], mode: 'enforce' }
}

function underOwnPrefix(openQueue: OpenQueue): OpenQueue {
  return <Check extends WaitingCheck>(answered: Answered<Check>): CheckQueue<Check> => {
    const queue = openQueue<WaitingCheck & { readonly asked: Check }>(({ asked }, ...answer) =>
      answered(asked, ...answer),
    )
    return {
      get waiting() {
        return queue.waiting
      },
      enqueue: asked => {
        const { key, policy, tokens, startMs } = asked
        queue.enqueue({ key: OWN_PREFIX + key, policy, tokens, startMs, isAnswered: false, asked })
      },
    }
  }
}

function waitMs(result: CheckResult): number {
  if (result instanceof Problem) throw result
  return result.allowed ? 0 : (result.retryAfterMs ?? 0)
}

function ignore(): void {}
