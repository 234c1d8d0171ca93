/** Encodes a batch of checks for `lua/check.lua`, and decodes its reply. */
import { Command } from 'ioredis'
import type { BucketCheck } from '../../check/ports.ts'
import type { Policy } from '../../domain/policy.ts'
import type { BucketReading } from '../../domain/token-bucket.ts'
import type { BucketKeys } from '../keys.ts'
import { checkScript } from '../scripts.ts'

/** The reply of a Redis that does not know the script yet. Nothing was executed. */
const UNKNOWN_SCRIPT = /^NOSCRIPT /

const BYTES_PER_NUMBER = 8

type Limits = Policy['limits']

interface CheckCallOptions {
  readonly checks: readonly BucketCheck[]
  readonly keys: BucketKeys
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

  /** A cluster routes by it; all keys of a call are in one slot. */
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

const EVAL = argument('EVAL') + argument(checkScript.lua)
const EVALSHA = argument('EVALSHA') + argument(checkScript.sha)

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

/** Marks a check whose bucket was malformed. */
const MALFORMED = -1

/** Called with the key of a malformed bucket, which counts as full. */
export type OnMalformedBucket = (key: string) => void

/** The reading of each check in the script's reply. */
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
    at += limits.length * BYTES_PER_NUMBER
  }
  for (; at < reply.length; at += 2 * BYTES_PER_NUMBER) {
    const index = numbers.getFloat64(at) - 1
    const note = numbers.getFloat64(at + BYTES_PER_NUMBER)
    if (note === MALFORMED) onMalformed((checks[index] as BucketCheck).key)
    else readings[index] = { ...(readings[index] as BucketReading), refillPausedMs: note }
  }
  return readings
}

/** A denied check is encoded as −1 − units, which is negative even if nothing is spent. */
function readingAt(numbers: DataView, at: number, limits: number): BucketReading {
  const allowed = numbers.getFloat64(at) >= 0
  const spent: number[] = new Array(limits)
  for (let i = 0; i < limits; i++) {
    const units = numbers.getFloat64(at + i * BYTES_PER_NUMBER)
    spent[i] = allowed ? units : -1 - units
  }
  return { allowed, spent, refillPausedMs: 0 }
}
