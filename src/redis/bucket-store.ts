import type { Redis } from 'ioredis'
import type { BucketCheck, BucketStore } from '../check/ports.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/token-bucket.ts'
import type { BucketKeys } from './keys.ts'
import { checkScript } from './scripts.ts'

/** What ioredis makes of an integer, or a string where it could not read the integer exactly. */
type Units = number | string

type CheckCommand = (numberOfKeys: number, ...keysAndArguments: string[]) => Promise<Units[]>

/** Buckets in a standalone Redis: one script call for a whole batch. */
export class RedisBucketStore implements BucketStore {
  readonly #redis: Redis
  readonly #check: CheckCommand
  readonly #keys: BucketKeys

  constructor(redis: Redis, keys: BucketKeys) {
    redis.defineCommand('throttlerCheck', checkScript)
    this.#redis = redis
    this.#check = (redis as unknown as { throttlerCheck: CheckCommand }).throttlerCheck.bind(redis)
    this.#keys = keys
  }

  async check(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    const keys = checks.map(({ key }) => this.#keys.bucket(key))
    const reply = await this.#check(keys.length, ...keys, ...encode(checks))
    return decode(checks, reply)
  }

  async reset(key: string): Promise<void> {
    await this.#redis.unlink(this.#keys.bucket(key))
  }
}

type Limits = Policy['limits']

/** The script's ARGV: runs of checks that ask the same limits for as many tokens, then the limits. Equal policies share them. */
function encode(checks: readonly BucketCheck[]): string[] {
  const numbers = new Map<Limits, number>()
  const runs: string[] = []
  for (let start = 0; start < checks.length; ) {
    const { policy, tokens } = checks[start] as BucketCheck
    const { limits } = policy
    let end = start + 1
    while (checks[end]?.policy.limits === limits && checks[end]?.tokens === tokens) end++
    const number = numbers.get(limits) ?? numbers.size + 1
    numbers.set(limits, number)
    runs.push(`${number} ${tokens} ${end - start}`)
    start = end
  }
  return [runs.join(' '), ...Array.from(numbers.keys(), encodedLimits)]
}

const encodings = new WeakMap<Limits, string>()

function encodedLimits(limits: Limits): string {
  const known = encodings.get(limits)
  if (known !== undefined) return known
  const encoded = limits
    .map(({ id, unit, unitsPerMs, capacityUnits, capacity }) =>
      [id, unit, unitsPerMs, capacityUnits, capacity].join(' '),
    )
    .join(' ')
  encodings.set(limits, encoded)
  return encoded
}

function decode(checks: readonly BucketCheck[], reply: readonly Units[]): readonly BucketReading[] {
  let at = 0
  const readings: BucketReading[] = []
  for (const { policy } of checks) {
    const from = at
    at += policy.limits.length
    readings.push(decodeReading(reply, from, at))
  }
  while (at < reply.length) {
    const index = Number(reply[at++]) - 1
    readings[index] = { ...(readings[index] as BucketReading), pauseMs: Number(reply[at++]) }
  }
  return readings
}

/** A denied check's units come as −1 − units, which is below 0 even when nothing was spent. */
function decodeReading(reply: readonly Units[], from: number, to: number): BucketReading {
  const allowed = Number(reply[from]) >= 0
  const spent: number[] = []
  for (let i = from; i < to; i++) spent.push(allowed ? Number(reply[i]) : -1 - Number(reply[i]))
  return { allowed, spent, pauseMs: 0 }
}
