import type { Redis } from 'ioredis'
import { isReply } from './failure-reason.ts'
import type { Right } from './required-rights.ts'

/** A right that Redis refuses, and its error. */
export interface MissingRight extends Pick<Right, 'command'>, Partial<Pick<Right, 'on'>> {
  readonly refusal: string
}

/**
 * The rights that the user of this connection lacks. Redis checks a command before it queues it in a transaction, and this
 * transaction is never executed: the connection must be closed afterwards.
 */
export async function missingRights(redis: Redis, rights: readonly Right[]): Promise<readonly MissingRight[]> {
  const opened = await refusalOf(redis.multi({ pipeline: false }))
  if (opened !== undefined) return isDenied(opened) ? [{ command: 'MULTI', refusal: opened }] : []
  const refusals = await Promise.all(rights.map(({ command, args }) => refusalOf(redis.call(command, ...args))))
  return rights.flatMap((right, i) => {
    const refusal = refusals[i]
    return refusal !== undefined && (isDenied(refusal) || isUnknown(right, refusal)) ? { ...right, refusal } : []
  })
}

/** Whether the user may subscribe to the channel. */
export async function missingSubscription(redis: Redis, channel: string): Promise<readonly MissingRight[]> {
  const refusal = await refusalOf(redis.subscribe(channel))
  if (refusal === undefined || !isDenied(refusal)) return []
  return [{ command: 'SUBSCRIBE', on: { channel }, refusal }]
}

/** What the user may not do, in words: each command, key pattern and channel once. */
export function describeMissing(missing: readonly MissingRight[]): string {
  const commands = new Set<string>()
  const keys = new Set<string>()
  const channels = new Set<string>()
  for (const { command, on, refusal } of missing) {
    if (UNKNOWN_COMMAND.test(refusal)) commands.add(`${command} (unknown to the server)`)
    else if (on === undefined || REFUSED_COMMAND.test(refusal)) commands.add(command)
    else if ('keys' in on) keys.add(`"${on.keys}"`)
    else channels.add(`"${on.channel}"`)
  }
  return [
    ...(commands.size > 0 ? [`run ${[...commands].join(', ')}`] : []),
    ...(keys.size > 0 ? [`use the keys ${[...keys].join(', ')}`] : []),
    ...(channels.size > 0 ? [`use the channel ${[...channels].join(', ')}`] : []),
  ].join('; ')
}

/** Redis names a refused command; otherwise it refuses the key or channel. */
const REFUSED_COMMAND = /\brun\b/

/** The server may have another name for the command. */
const UNKNOWN_COMMAND = /^ERR unknown command/i

/** Redis 6.2 does not know it, and the script that runs it does without. */
const DISPENSABLE = 'PEXPIRETIME'

/** Whether the server does not know a command that the service cannot do without. */
function isUnknown({ command }: Right, refusal: string): boolean {
  return UNKNOWN_COMMAND.test(refusal) && command !== DISPENSABLE
}

function isDenied(refusal: string): boolean {
  return refusal.startsWith('NOPERM')
}

/** The error reply to a command; `undefined` if there is none. @throws the error of a lost connection */
async function refusalOf(reply: Promise<unknown>): Promise<string | undefined> {
  try {
    await reply
    return undefined
  } catch (err) {
    if (isReply(err)) return err.message
    throw err
  }
}
