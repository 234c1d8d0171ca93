import type { Decision } from '../../../domain/decision.ts'
import { MAX_COUNT } from '../../../domain/limits/limit-fault.ts'
import { MAX_INTERVAL_MS } from '../../../domain/limits/token-bucket.ts'
import type { RequestPolicies } from '../../request-policies.ts'
import { integerArgument, keyArgument } from '../arguments.ts'
import type { Command } from '../command.ts'
import { wrongNumberOfArguments } from '../redis-errors.ts'

const NAME = 'cl.throttle'
const MS_PER_SECOND = 1_000
const MAX_BURST = { name: 'max_burst', min: 0, max: MAX_COUNT - 1 }
const COUNT = { name: 'count', min: 1, max: MAX_COUNT }
const PERIOD = { name: 'period', min: 1, max: MAX_INTERVAL_MS / MS_PER_SECOND }
const QUANTITY = { name: 'quantity', min: 0, max: MAX_COUNT }

/** What the reply has for a value that is unknown, and for a time that never comes or that nobody has to wait for. */
const NONE = -1

/**
 * `CL.THROTTLE key max_burst count period [quantity]`, as of redis-cell and Dragonfly. The arguments are the limit, unless an operator
 * stored a policy for the key.
 * @see https://github.com/brandur/redis-cell
 */
export function clThrottle(policies: RequestPolicies): Command {
  return {
    name: NAME,
    arity: -5,
    hasKey: true,
    run: words => {
      if (words.count > 6) return wrongNumberOfArguments({ name: NAME })
      const key = keyArgument(words, 1)
      const limit = {
        name: 'default',
        capacity: integerArgument(words, 2, MAX_BURST) + 1,
        refillTokens: integerArgument(words, 3, COUNT),
        refillIntervalMs: integerArgument(words, 4, PERIOD) * MS_PER_SECOND,
      }
      const tokens = words.count === 6 ? integerArgument(words, 5, QUANTITY) : 1
      const resolvedPolicy = policies.policyFor(key, limit)
      return { command: NAME, key, tokens, resolvedPolicy, isExcessDenied: true, replyTo, place: 0 }
    },
  }
}

/** `[0 allowed | 1 denied, limit, remaining, seconds to retry, seconds to reset]` */
function replyTo({ allowed, blocked, binding, remaining, retryAfterMs, resetAfterMs }: Decision): string {
  const limit = blocked ? 0 : (binding?.capacity ?? NONE)
  const retry = allowed ? NONE : seconds(retryAfterMs)
  return (
    `*5\r\n:${allowed ? 0 : 1}\r\n:${limit}\r\n:${remaining ?? NONE}\r\n` + `:${retry}\r\n:${seconds(resetAfterMs)}\r\n`
  )
}

function seconds(ms: number | null): number {
  return ms === null ? NONE : Math.ceil(ms / MS_PER_SECOND)
}
