/** Encodes a batch of checks for `lua/check.lua`; `check-reply.ts` decodes its reply. */
import { Command } from 'ioredis'
import type { BucketCheck } from '../../check/ports.ts'
import type { Policy } from '../../domain/policy.ts'
import type { BucketKeys } from '../keys.ts'
import { checkAcrossSlotsScript, checkScript, type Script } from '../scripts.ts'
import { encodedLimits } from './encoded-limits.ts'

/** The reply of a Redis that does not know the script yet. Nothing was executed. */
const UNKNOWN_SCRIPT = /^NOSCRIPT /

type Limits = Policy['limits']

export interface CheckCallOptions {
  readonly checks: readonly BucketCheck[]
  readonly keys: BucketKeys
  /** Whether the buckets may be in several slots of one master, which not every Redis supports. */
  readonly acrossSlots?: boolean
  /** Whether to send the script itself, for a Redis that may not know it. */
  readonly withSource?: boolean
}

/**
 * One call of the script. It is serialized here, as one text: ioredis would spend more on each of its hundreds of arguments than
 * the decision costs.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export class CheckCall extends Command {
  readonly #text: string
  /** Only the key is kept: ioredis may keep a call after its reply, which would keep the checks alive too. */
  readonly #firstKey: string[]

  constructor({ checks, keys, acrossSlots = false, withSource = false }: CheckCallOptions) {
    super(withSource ? 'eval' : 'evalsha')
    const script = acrossSlots ? ACROSS_SLOTS : IN_ONE_SLOT
    const policies = new Map<Limits, number>()
    const decided = argument(runsOf(checks, policies)) + argument(encoded(policies))
    let text = `*${5 + checks.length}${withSource ? script.eval : script.evalsha}`
    text += acrossSlots ? NO_KEYS + decided : argument(String(checks.length))
    for (const { key } of checks) text += headOf(key, keys) + key
    if (!acrossSlots) text += decided
    this.#text = `${text}\r\n`
    this.#firstKey = checks.slice(0, 1).map(({ key }) => keys.bucket(key))
  }

  /** A cluster client routes by it. */
  override getKeys(): string[] {
    return this.#firstKey
  }

  override toWritable(): string {
    return this.#text
  }
}

/** Whether the call was not executed because Redis does not know the script. */
export function isUnknownScript(err: unknown): boolean {
  return UNKNOWN_SCRIPT.test((err as Error).message)
}

/** A bulk string, preceded by the line end of the previous one. */
function argument(text: string): string {
  return `\r\n$${Buffer.byteLength(text)}\r\n${text}`
}

function calling({ lua, sha }: Script) {
  return { eval: argument('EVAL') + argument(lua), evalsha: argument('EVALSHA') + argument(sha) }
}

const IN_ONE_SLOT = calling(checkScript)
const ACROSS_SLOTS = calling(checkAcrossSlotsScript)
const NO_KEYS = argument('0')

/** By prefix, then by the length of the caller's key in bytes. */
const heads = new Map<string, string[]>()

/** The serialized part before the caller's key. There are few, so each is built once. */
function headOf(key: string, keys: BucketKeys): string {
  const prefix = keys.prefixOf(key)
  const bytes = Buffer.byteLength(key)
  const ofPrefix = heads.get(prefix) ?? []
  if (ofPrefix.length === 0) heads.set(prefix, ofPrefix)
  const known = ofPrefix[bytes]
  if (known !== undefined) return known
  const head = `\r\n$${Buffer.byteLength(prefix) + bytes}\r\n${prefix}`
  ofPrefix[bytes] = head
  return head
}

/**
 * Run-length encodes checks with the same limits and tokens: "policy tokens count policy tokens count …".
 * @param policies receives the limits with their numbers; policies with the same limits share one
 */
function runsOf(checks: readonly BucketCheck[], policies: Map<Limits, number>): string {
  const runs: string[] = []
  for (let start = 0; start < checks.length; ) {
    const { policy, tokens } = checks[start] as BucketCheck
    const { limits } = policy
    let end = start + 1
    while (checks[end]?.policy.limits === limits && checks[end]?.tokens === tokens) end++
    const number = policies.get(limits) ?? policies.size + 1
    policies.set(limits, number)
    runs.push(`${number} ${tokens} ${end - start}`)
    start = end
  }
  return runs.join(' ')
}

function encoded(policies: ReadonlyMap<Limits, number>): string {
  return Array.from(policies.keys(), encodedLimits).join(';')
}
