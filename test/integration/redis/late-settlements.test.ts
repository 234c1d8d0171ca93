import { expect, it } from '@jest/globals'
import type { CheckGroup, HoldRequest } from '../../../src/check/ports.ts'
import { MAX_HOLDS } from '../../../src/domain/holds.ts'
import type { Policy } from '../../../src/domain/policy.ts'
import { type ReservationId, reservationId } from '../../../src/domain/reservation-id.ts'
import { RedisBucketStore } from '../../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../../src/redis/keys.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { finished } from '../../support/finished.ts'
import { frontClock, givenClockedRedis } from '../../support/given-clocked-redis.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

const START_MS = Date.parse('2026-05-05T12:00Z')
const MINUTE = 60_000
const DAY = 86_400_000
const CAPACITY = 10_000

describeWithRedis('reservations that are settled after their deadline', () => {
  const keys = new BucketKeys('throttler')
  const given = givenClockedRedis(START_MS)
  const slow = policyOf('slow', { limits: [limitOf({ capacity: CAPACITY, refillIntervalMs: DAY })] })
  const store = () => new RedisBucketStore(given.redis, keys)

  async function passTime(ms: number): Promise<void> {
    frontClock.nowMs += ms
    await given.redis.setClock(frontClock.nowMs)
  }

  let made = 0
  function groupOf(key: string, tokens: number, hold: Partial<HoldRequest> = {}, policy: Policy = slow): CheckGroup {
    const id = reservationId(key, String(made++).padStart(22, '0'))
    return {
      checks: [{ key, policy, tokens, reserves: true }],
      shadowed: [false],
      hold: { id, ttlMs: MINUTE, onExpiry: 'charge', fingerprint: 'f', named: [{ key, tokens }], ...hold },
    }
  }

  async function reserve(...asked: Parameters<typeof groupOf>): Promise<ReservationId> {
    await passTime(0)
    const group = groupOf(...asked)
    const [reading] = await store().checkAll([group])
    expect(reading?.reservation).toBeDefined()
    return idOf(group)
  }

  const idOf = ({ hold }: CheckGroup) => hold?.id as ReservationId
  const settle = (id: ReservationId, amounts: number | 'release', policy: Policy = slow) =>
    store().settle([{ id, amounts, policyOf: () => policy }])
  const shortfallOf = (key: string, id: ReservationId) => `${keys.bucket(key)}\u0001shortfall\u0001${id}`

  /** Whole tokens, by limit. */
  async function spentOf(key: string, policy: Policy = slow): Promise<readonly number[] | undefined> {
    const [reading] = await store().check([{ key, policy, tokens: 0 }])
    return reading?.spent.map((units, i) => Math.ceil(units / (policy.limits[i]?.unitsPerToken ?? 1)))
  }

  it('are charged their whole cost after a reset that had forgotten them', async () => {
    const [first, second] = [await reserve('reset', 400), await reserve('reset', 7)]
    await store().reset('reset')
    const noted = [shortfallOf('reset', first), shortfallOf('reset', second)]
    const kept = await given.redis.expiryOf(noted[0] as string)
    expect(Number(kept) - Number(await given.redis.expiryOf(keys.record(first)))).toBe(5)
    await passTime(MINUTE)
    expect(await store().read([first])).toMatchObject([{ status: 'expired', keys: [{ tokens: 400, charged: 0 }] }])
    expect(await settle(first, 30)).toMatchObject([{ status: 'settled', keys: [{ charged: 30 }] }])
    expect(await spentOf('reset')).toEqual([30])
    expect(await given.redis.exists(...noted)).toBe(1)
    expect(await settle(second, 'release')).toMatchObject([{ status: 'released', keys: [{ charged: 0 }] }])
    expect(await given.redis.exists(...noted)).toBe(0)
  })

  it('are charged the rest if a limit owed as much as it can, and the other limits are charged no more', async () => {
    const limits = [
      limitOf({ name: 'small', capacity: 10, refillIntervalMs: DAY }),
      limitOf({ name: 'large', capacity: 1_000, refillIntervalMs: DAY }),
    ]
    const both = policyOf('both', { limits, overdraft: true })
    const id = await reserve('part', 10, {}, both)
    await store().check([{ key: 'part', policy: both, tokens: 16 }])
    await passTime(MINUTE)
    expect(await store().read([id])).toMatchObject([{ status: 'expired', keys: [{ charged: 4 }] }])
    await store().check([{ key: 'part', policy: both, tokens: -8 }])
    expect(await settle(id, 12, both)).toMatchObject([{ status: 'settled', keys: [{ charged: 12 }] }])
    expect(await spentOf('part', both)).toEqual([20, 20])
  })

  it('say that nothing was charged where only concurrency limits apply, for as long as they can be settled', async () => {
    const jobs = policyOf('jobs', { limits: [{ name: 'jobs', kind: 'concurrency', capacity: 2 }] })
    const id = await reserve('jobs', 3, {}, jobs)
    await passTime(MINUTE + 599_000)
    expect(await store().read([id])).toMatchObject([{ status: 'expired', keys: [{ tokens: 3, charged: 0 }] }])
    expect(await settle(id, 3, jobs)).toMatchObject([{ status: 'settled', keys: [{ charged: 0 }] }])
  })

  it('are settled after all others that are due, however many those are', async () => {
    await passTime(0)
    const groups = Array.from({ length: 200 }, () => groupOf('many', 2))
    await store().checkAll(groups)
    await passTime(MINUTE)
    const id = idOf(groups.at(-1) as CheckGroup)
    expect(await finished(() => settle(id, 5))).toMatchObject({ keys: [{ charged: 5 }] })
    expect(await given.redis.exists(keys.holds('many'))).toBe(0)
    expect(await spentOf('many')).toEqual([403])
  })

  it('count as charged in full if the note of a reset was evicted', async () => {
    const id = await reserve('evicted', 400)
    await store().reset('evicted')
    await given.redis.del(shortfallOf('evicted', id))
    await passTime(MINUTE)
    expect(await settle(id, 401)).toMatchObject([{ status: 'settled', keys: [{ charged: 401 }] }])
    expect(await spentOf('evicted')).toEqual([1])
  })

  it('can be a thousand that a reset forgets, which takes at most 300 bytes for each', async () => {
    await passTime(0)
    const groups = Array.from({ length: MAX_HOLDS }, () => groupOf('crowded', 1))
    await store().checkAll(groups)
    await store().reset('crowded')
    expect(await given.redis.exists(keys.bucket('crowded'), keys.holds('crowded'))).toBe(0)
    const noted = groups.map(group => shortfallOf('crowded', idOf(group)))
    expect(await given.redis.exists(...noted)).toBe(MAX_HOLDS)
    expect(await given.redis.memory('USAGE', noted[0] as string)).toBeLessThanOrEqual(300)
  })
})
