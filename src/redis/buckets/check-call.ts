/** How a batch of checks is put to `lua/check.lua`, and what its answer means. */
import { Command } from 'ioredis'
import type { BucketCheck } from '../../check/ports.ts'
import type { Policy } from '../../domain/policy.ts'
import type { BucketReading } from '../../domain/token-bucket.ts'
import type { BucketKeys } from '../keys.ts'
import { checkScript } from '../scripts.ts'

/** What Redis answers that does not know the script yet; then nothing was executed. */
const UNKNOWN_SCRIPT = /^NOSCRIPT /

const BYTES_A_NUMBER = 8

type Limits = Policy['limits']

interface CheckCallOptions {
  readonly checks: readonly BucketCheck[]
  readonly keys: BucketKeys
  /** Whether to send the script itself, for a Redis that may not know it. */
  readonly withSource?: boolean
}

/**
 * One call of the script. It writes itself, as one text that is put together once: with hundreds of arguments a call, what
 * ioredis does for each would cost more than deciding.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export class CheckCall extends Command {
  readonly #text: string
  /** Nothing else is kept of the checks: ioredis may keep a call for longer than it takes, and with it all that hangs on them. */
  readonly #firstKey: string[]

  constructor({ checks, keys, withSource = false }: CheckCallOptions) {
    super(withSource ? 'eval' : 'evalsha')
    const policies = new Map<Limits, number>()
    const runs = runsOf(checks, policies)
    let text = `*${4 + checks.length + policies.size}${withSource ? EVAL : EVALSHA}${argument(String(checks.length))}`
    for (const { key } of checks) text += headOf(key, keys) + key
    text += argument(runs)
    for (const limits of policies.keys()) text += argument(encodedLimits(limits))
    this.#text = `${text}\r\n`
    this.#firstKey = checks.slice(0, 1).map(({ key }) => keys.bucket(key))
  }

  /** By it a cluster finds who is to be asked; all keys of a call are in one place. */
  override getKeys(): string[] {
    return this.#firstKey
  }

  override toWritable(): string {
    return this.#text
  }
}

/** Whether the call was not executed, since the script is to be sent along. */
export function isUnknownScript(err: unknown): boolean {
  return UNKNOWN_SCRIPT.test((err as Error).message)
}

/** A bulk string, with the line end of what stands before it. */
function argument(text: string): string {
  return `\r\n$${Buffer.byteLength(text)}\r\n${text}`
}

const EVAL = argument('EVAL') + argument(checkScript.lua)
const EVALSHA = argument('EVALSHA') + argument(checkScript.sha)

/** By prefix, and by how many bytes the caller's key has. */
const heads = new Map<string, string[]>()

/** What comes before the caller's key in the argument that is its bucket's key. There are few, so none is put together twice. */
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
 * The checks as runs that ask the same limits for as many tokens: "policy tokens count policy tokens count …".
 * @param policies receives the limits and their numbers; equal policies share them
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

const encodings = new WeakMap<Limits, string>()

function encodedLimits(limits: Limits): string {
  const known = encodings.get(limits)
  if (known !== undefined) return known
  const encoded = limits
    .map(({ id, unitsPerToken, unitsPerMs, capacityUnits, capacity }) =>
      [id, unitsPerToken, unitsPerMs, capacityUnits, capacity].join(' '),
    )
    .join(' ')
  encodings.set(limits, encoded)
  return encoded
}

/** The note of a check whose bucket was malformed. */
const MALFORMED = -1

/** Hears of a value that is no bucket, and so counted as a full one. */
export type OnMalformedBucket = (key: string) => void

/** What the script's answer says of each check. */
export function readingsIn(
  reply: Buffer,
  checks: readonly BucketCheck[],
  onMalformed: OnMalformedBucket,
): readonly BucketReading[] {
  const numbers = new DataView(reply.buffer, reply.byteOffset, reply.byteLength)
  const readings: BucketReading[] = new Array(checks.length)
  let at = 0
  for (let i = 0; i < checks.length; i++) {
    const { limits } = (checks[i] as BucketCheck).policy
    readings[i] = readingAt(numbers, at, limits.length)
    at += limits.length * BYTES_A_NUMBER
  }
  for (; at < reply.length; at += 2 * BYTES_A_NUMBER) {
    const index = numbers.getFloat64(at) - 1
    const note = numbers.getFloat64(at + BYTES_A_NUMBER)
    if (note === MALFORMED) onMalformed((checks[index] as BucketCheck).key)
    else readings[index] = { ...(readings[index] as BucketReading), refillPausedMs: note }
  }
  return readings
}

/** A denied check's units come as −1 − units, which is below 0 even when nothing was spent. */
function readingAt(numbers: DataView, at: number, limits: number): BucketReading {
  const allowed = numbers.getFloat64(at) >= 0
  const spent: number[] = new Array(limits)
  for (let i = 0; i < limits; i++) {
    const units = numbers.getFloat64(at + i * BYTES_A_NUMBER)
    spent[i] = allowed ? units : -1 - units
  }
  return { allowed, spent, refillPausedMs: 0 }
}
