import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { CheckGroup } from '../../src/check/ports.ts'
import { reservationId } from '../../src/domain/reservation-id.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import type { ClockedRedis } from '../support/clocked-redis.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { frontClock, givenClockedRedis } from '../support/given-clocked-redis.ts'
import { limitOf, policyOf, quotaOf } from '../support/policies.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

const START_MS = Date.parse('2026-05-05T12:00Z')
const TTL_MS = 60_000
const LAST_DATE_MS = 8.64e15

/** Bytes that replace those of a value from some place on, or its whole end. */
interface Damage {
  readonly value: 'first record' | 'second record' | 'bucket' | 'member' | 'score' | 'set' | 'shortfall' | 'new value'
  readonly at: number
  readonly bytes: Uint8Array
  readonly isEnd: boolean
}

const byte = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 127, 255), fc.nat(255))
const damage: fc.Arbitrary<Damage> = fc.record({
  value: fc.constantFrom('first record', 'second record', 'bucket', 'member', 'score', 'set', 'shortfall', 'new value'),
  at: fc.oneof(fc.nat(20), fc.nat(150)),
  bytes: fc.array(byte, { minLength: 1, maxLength: 24 }).map(bytes => Uint8Array.from(bytes)),
  isEnd: fc.boolean(),
})
const story = fc.record({
  damages: fc.array(damage, { minLength: 1, maxLength: 2 }),
  /** Reservations of the damaged key. */
  count: fc.integer({ min: 1, max: 3 }),
  policy: fc.constantFrom('simple', 'several'),
  passedMs: fc.constantFrom(0, TTL_MS - 1, TTL_MS, 2 * TTL_MS),
  isRemembered: fc.boolean(),
  isReset: fc.boolean(),
  tokens: fc.constantFrom(0, 5, 500),
})
type Story = typeof story extends fc.Arbitrary<infer T> ? T : never

const policies = {
  simple: policyOf('simple', { limits: [limitOf({ capacity: 100, refillIntervalMs: 86_400_000 })] }),
  several: policyOf('several', {
    limits: [limitOf({ capacity: 100 }), quotaOf({ capacity: 100 }), { name: 'n', kind: 'concurrency', capacity: 10 }],
  }),
}

describeWithRedis('a damaged value of a reservation', () => {
  const given = givenClockedRedis(START_MS)

  it(
    'affects nothing else, and every call is answered',
    async () => {
      await fc.assert(
        fc.asyncProperty(story, told => isContained(given.redis, told)),
        runs(120, 10_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )
})

let namespaces = 0

async function isContained(redis: ClockedRedis, told: Story): Promise<void> {
  const keys = new BucketKeys(`damaged-${namespaces++}`)
  const made = new RedisBucketStore(redis, keys)
  const policy = policies[told.policy]
  const groupOf = (key: string, id: string, ttlMs: number): CheckGroup => ({
    checks: [{ key, policy, tokens: 5, reserves: true }],
    shadowed: [false],
    hold: {
      id: reservationId(key, id.padStart(22, '0')),
      ttlMs,
      onExpiry: 'charge',
      fingerprint: 'f',
      named: [{ key, tokens: 5 }],
    },
  })
  const groups = Array.from({ length: told.count }, (_, i) => groupOf('x', `${i}`, TTL_MS * (i + 1)))
  const bystander = groupOf('bystander', 'b', 10 * TTL_MS)
  await setClock(redis, START_MS)
  await made.checkAll([...groups, bystander])
  if (told.isReset) await made.reset('x')
  for (const damage of told.damages) await spoil(redis, keys, damage, groups)
  await setClock(redis, START_MS + told.passedMs)

  const store = told.isRemembered ? made : new RedisBucketStore(redis, keys)
  const all = [...groups, bystander]
  const ids = all.map(({ hold }) => hold?.id as ReturnType<typeof reservationId>)
  const check = (key: string) => ({ key, policy, tokens: 1 })
  const answers = [
    await store.read(ids),
    await store.holdsOf('x'),
    await store.extend(ids.map(id => ({ id }))),
    await store.check([check('x'), check('bystander')]),
    await store.checkAll(all),
    await store.settle(ids.map(id => ({ id, amounts: told.tokens, policyOf: () => policy }))),
    await store.check([check('x'), check('bystander')]),
  ]
  for (const answer of answers) {
    expect(answer).not.toContain(undefined)
    expectSound(answer)
  }
  const [read, , extended, , again, settled] = answers
  expect(read?.at(-1)).toMatchObject({ status: 'held' })
  expect(extended?.at(-1)).toMatchObject({ status: 'extended' })
  expect(again?.at(-1)).toMatchObject({ reservation: { isRepeated: true } })
  expect(settled?.at(-1)).toMatchObject({ status: 'settled' })
}

async function setClock(redis: ClockedRedis, nowMs: number): Promise<void> {
  frontClock.nowMs = nowMs
  await redis.setClock(nowMs)
}

/** Every number is one that a caller can be told. */
function expectSound(answer: unknown): void {
  if (typeof answer === 'number') {
    expect(answer).toBeGreaterThanOrEqual(0)
    expect(answer).toBeLessThanOrEqual(LAST_DATE_MS)
  } else if (Array.isArray(answer)) answer.forEach(expectSound)
  else if (typeof answer === 'object' && answer !== null) {
    for (const [name, value] of Object.entries(answer)) if (name !== 'policy') expectSound(value)
  }
}

async function spoil(
  redis: ClockedRedis,
  keys: BucketKeys,
  damage: Damage,
  groups: readonly CheckGroup[],
): Promise<void> {
  const set = keys.holds('x')
  const record = (i: number) => keys.record((groups[i] ?? groups[0])?.hold?.id as ReturnType<typeof reservationId>)
  const rewrite = async (key: string) => {
    const stored = await redis.getBuffer(key)
    if (stored !== null) await redis.set(key, damaged(stored, damage))
  }
  switch (damage.value) {
    case 'first record':
      return rewrite(record(0))
    case 'second record':
      return rewrite(record(1))
    case 'bucket':
      return rewrite(keys.bucket('x'))
    case 'shortfall':
      return rewrite(`${keys.bucket('x')}\u0001shortfall\u0001${groups[0]?.hold?.id}`)
    case 'set':
      return void (await redis.set(set, Buffer.from(damage.bytes)))
    case 'new value':
      return void (await redis.set(damage.isEnd ? record(0) : keys.bucket('x'), Buffer.from(damage.bytes)))
    default: {
      if ((await redis.type(set)) !== 'zset') return
      const [member, score] = await redis.zrangeBuffer(set, 0, '0', 'WITHSCORES')
      if (member === undefined) return
      await redis.zrem(set, member)
      const scores = ['inf', '-inf', '-1', '0.5', '1e300', '17', String(score)]
      if (damage.value === 'member') await redis.zadd(set, String(score), damaged(member, damage))
      else await redis.zadd(set, scores[damage.at % scores.length] as string, member)
    }
  }
}

function damaged(value: Buffer, { at, bytes, isEnd }: Damage): Buffer {
  const from = at % value.length
  if (isEnd) return Buffer.concat([value.subarray(0, from), bytes])
  const copy = Buffer.from(value)
  copy.set(bytes.subarray(0, value.length - from), from)
  return copy
}
