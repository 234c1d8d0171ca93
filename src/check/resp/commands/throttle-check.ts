import type { Decision } from '../../../domain/decision.ts'
import { MAX_COUNT } from '../../../domain/limits/limit-fault.ts'
import type { Policy } from '../../../domain/policy.ts'
import { acceptPolicyName } from '../../accept-key.ts'
import { integerArgument, keyArgument, textArgument } from '../arguments.ts'
import type { Command } from '../command.ts'
import { SYNTAX_ERROR } from '../redis-errors.ts'
import { bulk, text } from '../replies.ts'
import type { Words } from '../words.ts'

const NAME = 'throttle.check'

/** What the reply has for a value that is unknown, or for a time that never comes. */
const UNKNOWN = -1

/** `THROTTLE.CHECK key [TOKENS n] [POLICY name]`: decides like `POST /check`. */
export const THROTTLE_CHECK: Command = {
  name: NAME,
  arity: -2,
  hasKey: true,
  run: (words, { protocol }) => {
    const key = keyArgument(words, 1)
    const options = optionsIn(words)
    if (options === undefined) return SYNTAX_ERROR
    const { tokens, policy } = options
    return { command: NAME, key, tokens, policy, replyTo: protocol === 3 ? mapOf : arrayOf, place: 0 }
  },
}

interface Options {
  readonly tokens: number
  readonly policy: string | undefined
}

/** `undefined` if there are others, or one is given twice. */
function optionsIn(words: Words): Options | undefined {
  let tokens: number | undefined
  let policy: string | undefined
  for (let at = 2; at < words.count; at += 2) {
    const option = words.name(at)
    if (at + 1 === words.count) return undefined
    if (option === 'tokens' && tokens === undefined) {
      tokens = integerArgument(words, at + 1, { name: 'TOKENS', min: 0, max: MAX_COUNT })
    } else if (option === 'policy' && policy === undefined) policy = textArgument(words, at + 1, 'POLICY')
    else return undefined
  }
  acceptPolicyName('POLICY', policy)
  return { tokens: tokens ?? 1, policy }
}

/** Written by hand, like decisions in JSON: most of the work of a reply is to serialize it. */
function arrayOf({ allowed, binding, remaining, retryAfterMs, resetAfterMs, policy, source }: Decision): string {
  return (
    `*7\r\n:${allowed ? 1 : 0}\r\n:${binding?.capacity ?? UNKNOWN}\r\n:${remaining ?? UNKNOWN}\r\n` +
    `:${retryAfterMs ?? UNKNOWN}\r\n:${resetAfterMs ?? UNKNOWN}\r\n${nameOf(policy)}${bulk(source)}`
  )
}

function mapOf({ allowed, binding, remaining, retryAfterMs, resetAfterMs, policy, source }: Decision): string {
  return (
    `%7\r\n$7\r\nallowed\r\n:${allowed ? 1 : 0}\r\n$5\r\nlimit\r\n:${binding?.capacity ?? UNKNOWN}\r\n` +
    `$9\r\nremaining\r\n:${remaining ?? UNKNOWN}\r\n$12\r\nretryAfterMs\r\n:${retryAfterMs ?? UNKNOWN}\r\n` +
    `$12\r\nresetAfterMs\r\n:${resetAfterMs ?? UNKNOWN}\r\n$6\r\npolicy\r\n${nameOf(policy)}$6\r\nsource\r\n${bulk(source)}`
  )
}

const knownNames = new WeakMap<Policy, string>()

/** Cached, since it is the same for every decision of a policy. */
function nameOf(policy: Policy): string {
  const known = knownNames.get(policy)
  if (known !== undefined) return known
  const name = text(policy.configKey)
  knownNames.set(policy, name)
  return name
}
