import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { BucketCheck } from '../../src/check/ports.ts'
import { operationOf } from '../../src/domain/overdraft.ts'
import { compilePolicy, type Policy } from '../../src/domain/policy.ts'
import type { BucketReading } from '../../src/domain/reading.ts'
import type { Bucket } from '../../src/domain/stored-bucket.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { answerOf } from '../support/answer-of.ts'
import { type History, history, historyOfDebts, play, START_MS, type Step } from '../support/bucket-histories.ts'
import { type ClockedRedis, EXPIRY_SLACK_MS } from '../support/clocked-redis.ts'
import { counterexamples } from '../support/counterexamples.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { frontClock, givenClockedRedis } from '../support/given-clocked-redis.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

describeWithRedis('the bucket store', () => {
  const given = givenClockedRedis(START_MS)

  it(
    'answers what the oracle expects, and keeps a bucket until it is full',
    async () => {
      const property = fc.asyncProperty(history, told => answersAsPromised(given.redis, namespace(), told))
      await fc.assert(property, { ...runs(200, 30_000), examples: counterexamples })
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'answers what the oracle expects of overdraft and of tokens that are given back',
    async () => {
      const property = fc.asyncProperty(historyOfDebts, told => answersAsPromised(given.redis, namespace(), told))
      await fc.assert(property, runs(100, 30_000))
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'decides a batch as if its checks came one after another',
    async () => {
      const property = fc.asyncProperty(fc.oneof(history, historyOfDebts), async told => {
        const checks = play(told).flatMap(step => step.checks)
        const [together, apart] = [storeIn(given.redis, namespace()), storeIn(given.redis, namespace())]
        await given.redis.setClock(START_MS)
        const oneByOne = Promise.all(checks.map(check => apart.check([check])))
        expect(await together.check(checks)).toEqual((await oneByOne).flat())
      })
      await fc.assert(property, runs(60, 10_000))
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'decides as the specification does, also with more limits than a bucket keeps',
    async () => {
      await fc.assert(
        fc.asyncProperty(turns, told => doesAsSpecified(given.redis, namespace(), told)),
        runs(60, 10_000),
      )
    },
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'admits exactly one token a second if one a second refills and checks come every 100 ms',
    async () => {
      const policy = compilePolicy('x', 1, { limits: [A_TOKEN_A_SECOND], mode: 'enforce' })
      const store = storeIn(given.redis, namespace())
      const { numRuns: seconds } = runs(500, 86_400)
      let admitted = 0
      for (let second = 0; second < seconds; second++) {
        const polls = TENTHS.map(tenth => pollAt(given.redis, store, policy, START_MS + second * 1_000 + tenth))
        for (const { allowed } of await Promise.all(polls)) admitted += Number(allowed)
      }
      expect(admitted).toBe(seconds)
    },
    PROPERTY_TIMEOUT_MS,
  )
})

const A_TOKEN_A_SECOND = { name: 'a', capacity: 1, refillTokens: 1, refillIntervalMs: 1_000 }
const TENTHS = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]

/** One to three of many limits: policies with different limits take turns on one key. */
const manyLimits = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...'abcdefghijklmn'),
    capacity: fc.integer({ min: 1, max: 5 }),
    refillTokens: fc.constantFrom(1, 2, 3),
    refillIntervalMs: fc.constantFrom(1_000, 1_000_000),
  }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 3 },
)
const turns = fc.array(
  fc.record({
    limits: manyLimits,
    overdraft: fc.constantFrom(undefined, undefined, true as const),
    tokens: fc.constantFrom(0, 1, 1, 2, 4, -1),
    moved: fc.constantFrom(0, 1, 700, -5, -20_000),
  }),
  { minLength: 10, maxLength: 40, size: 'max' },
)
type Turns = typeof turns extends fc.Arbitrary<infer T> ? T : never

async function doesAsSpecified(redis: ClockedRedis, prefix: string, told: Turns): Promise<void> {
  const store = storeIn(redis, prefix)
  let nowMs = START_MS
  let bucket: Bucket | undefined
  for (const { limits, overdraft, tokens, moved } of told) {
    nowMs += moved
    const policy = compilePolicy('x', 1, { limits, mode: 'enforce', ...(overdraft && { overdraft }) })
    const specified = operationOf(policy.definition, tokens)(bucket, policy.limits, tokens, nowMs)
    bucket = specified.bucket
    const [, [reading]] = await Promise.all([redis.setClock(nowMs), store.check([{ key: 'x', policy, tokens }])])
    expect(reading).toEqual(specified.reading)
  }
}

let namespaces = 0
const namespace = () => `namespace-${namespaces++}`

function storeIn(redis: ClockedRedis, prefix: string): RedisBucketStore {
  return new RedisBucketStore(redis, new BucketKeys(prefix))
}

async function pollAt(redis: ClockedRedis, store: RedisBucketStore, policy: Policy, nowMs: number) {
  const [, [reading]] = await Promise.all([redis.setClock(nowMs), store.check([{ key: 'x', policy, tokens: 1 }])])
  return reading as BucketReading
}

async function answersAsPromised(redis: ClockedRedis, prefix: string, told: History): Promise<void> {
  const keys = new BucketKeys(prefix)
  const store = storeIn(redis, prefix)
  // All steps are sent at once; the connection keeps their order.
  await Promise.all(play(told).map(step => happensAsPromised(redis, store, keys, step)))
}

async function happensAsPromised(redis: ClockedRedis, store: RedisBucketStore, keys: BucketKeys, step: Step) {
  const { nowMs, frontNowMs, checks, forgottenAtMs } = step
  frontClock.nowMs = frontNowMs
  const [, readings, ...expiries] = await Promise.all([
    redis.setClock(nowMs),
    store.check(checks),
    ...checks.map(({ key }) => redis.expiryOf(keys.bucket(key))),
  ])
  expect(readings.map((reading, i) => answerOf(checks[i] as BucketCheck, reading as BucketReading))).toEqual(
    checks.map(({ expected }) => expected),
  )
  for (const [i, { key }] of checks.entries()) {
    const forgottenAt = forgottenAtMs.get(key)
    // One that is full again at this very moment may be deleted at once.
    if (forgottenAt === BigInt(nowMs) && expiries[i] === undefined) continue
    if (forgottenAt === undefined) expect(expiries[i]).toBeUndefined()
    else expectAbout(expiries[i], forgottenAt + EXPIRY_SLACK_MS)
  }
}

/** Beyond 2^53 ms, doubles lose milliseconds. A clock that goes back brings such a time to before 2^53: no history spans 2^46 ms. */
const EXACT_BEFORE = 2n ** 53n - 2n ** 46n

/** Exact, except for times about 285,000 years ahead. */
function expectAbout(expiry: bigint | undefined, expected: bigint): void {
  if (expected < EXACT_BEFORE) expect(expiry).toBe(expected)
  else expect(Math.abs(Number((expiry ?? 0n) - expected))).toBeLessThan(100)
}
