import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Cluster } from 'ioredis'
import type { BucketShard, CheckGroup } from '../../../src/check/ports.ts'
import { bucketPartition } from '../../../src/domain/partition.ts'
import type { BucketReading } from '../../../src/domain/reading.ts'
import { type ReservationId, reservationId } from '../../../src/domain/reservation-id.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import { BUCKET_SLOTS } from '../../../src/redis/bucket-tags.ts'
import { NO_REPORT } from '../../../src/redis/buckets/check-reply.ts'
import { ClusterBuckets } from '../../../src/redis/buckets/cluster-buckets.ts'
import { connect } from '../../../src/redis/connection/connection.ts'
import { failureReason } from '../../../src/redis/connection/failure-reason.ts'
import { BucketKeys } from '../../../src/redis/keys.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { limitOf, policyOf } from '../../support/policies.ts'
import { type ClusterNode, RedisCluster } from '../../support/redis-cluster.ts'
import { targetOf } from '../../support/target-of.ts'

const CAPACITY = 10
const policy = policyOf('slow', { limits: [limitOf({ capacity: CAPACITY, refillIntervalMs: 86_400_000 })] })
const keys = new BucketKeys('throttler')

const kinds = [
  { servers: 'that take one call for several slots', refusesScriptFlags: false },
  { servers: 'that take a call for each slot only', refusesScriptFlags: true },
]

describe.each(kinds)('servers $servers', ({ refusesScriptFlags }) => {
  describeWithRedis('buckets on a cluster', () => {
    let cluster: RedisCluster
    let client: Cluster
    let store: ClusterBuckets
    const malformed: string[] = []
    let fallbacks = 0
    let redirected = 0
    const observer = {
      calledPerPartition: () => {
        fallbacks++
      },
      redirected: (checks: number) => {
        redirected += checks
      },
    }
    beforeAll(async () => {
      cluster = await RedisCluster.start({ refusesScriptFlags })
      const logger = createLogger({ level: 'silent', role: 'test' })
      client = connect('request', { target: targetOf(cluster.url), name: 'test', logger }) as Cluster
      const report = { ...NO_REPORT, malformedBucket: (key: string) => malformed.push(key) }
      store = new ClusterBuckets(client, { keys, report, observer, logger })
      await eventually(async () => {
        expect(store.shards).toHaveLength(3)
        const before = fallbacks
        await Promise.all(store.shards.map(shard => shard.check([{ key: shard.probeKey, policy, tokens: 0 }])))
        if (!refusesScriptFlags) expect(fallbacks).toBe(before)
      })
    })
    afterAll(async () => {
      client.disconnect()
      await cluster.stop()
    })

    const spend = (shard: BucketShard, names: readonly string[]) =>
      shard.check(names.map(key => ({ key, policy, tokens: 1 })))
    const left = (readings: readonly (BucketReading | undefined)[]) =>
      readings.map(reading => reading && (reading.allowed ? CAPACITY - tokensSpent(reading) : 'denied'))
    const shardAt = ({ port }: ClusterNode) =>
      store.shards.find(({ name }) => name === `127.0.0.1:${port}`) as BucketShard
    const ownKeys = (shard: BucketShard, tag: string, count: number) =>
      Array.from({ length: 10 * count }, (_, i) => `${tag}:${i}`)
        .filter(key => store.shardOf(key) === shard)
        .slice(0, count)

    /** Waits until all buckets of a master can be checked. Each try spends from others. */
    async function expectBack(node: ClusterNode): Promise<void> {
      let tries = 0
      await eventually(async () => {
        const back = shardAt(node)
        expect(left(await spend(back, ownKeys(back, `back:${tries++}`, 5)))).toEqual(Array(5).fill(CAPACITY - 1))
      })
    }

    it('are spread evenly over the masters', async () => {
      const names = Array.from({ length: 30_000 }, (_, i) => `spread:${i}`)
      for (const shard of store.shards) {
        const own = names.filter(key => store.shardOf(key) === shard)
        for (let i = 0; i < own.length; i += 1_000) await spend(shard, own.slice(i, i + 1_000))
      }
      const counts = await cluster.keyCounts()
      expect(counts.reduce((a, b) => a + b)).toBe(names.length)
      expect(Math.max(...counts)).toBeLessThanOrEqual((1.1 * names.length) / counts.length)
    })

    it('are checked with as few script calls as the servers allow, and one write for all of them', async () => {
      const [node] = cluster.masters as [ClusterNode]
      const batch = ownKeys(shardAt(node), 'calls', 100)
      await spend(shardAt(node), batch)
      const used = await eventually(async () => {
        const before = await activity(node)
        const fallbacksBefore = fallbacks
        await spend(shardAt(node), batch)
        const after = await activity(node)
        // ioredis reads the slot map every two seconds, on a connection of its own. The server counts its reads too.
        expect(after.others).toEqual(before.others)
        return {
          scripts: after.scripts - before.scripts,
          reads: after.reads - before.reads,
          fallbacks: fallbacks - fallbacksBefore,
        }
      })
      const partitions = new Set(batch.map(bucketPartition)).size
      expect(used).toEqual({
        scripts: refusesScriptFlags ? partitions : 1,
        // The second one is the request for the statistics itself.
        reads: 2,
        // A batch counts once, however many partitions it has.
        fallbacks: refusesScriptFlags ? 1 : 0,
      })
    })

    it('that are malformed count as full, and no other is affected', async () => {
      const [shard] = store.shards as [BucketShard]
      const [bad = '', ...others] = ownKeys(shard, 'malformed', 20)
      await client.lpush(keys.bucket(bad), 'x')
      expect(left(await spend(shard, [...others, bad]))).toEqual(Array(20).fill(CAPACITY - 1))
      expect(malformed).toEqual([bad])
    })

    it('are decided in the order of the batch', async () => {
      const [shard] = store.shards as [BucketShard]
      const [a, b] = ownKeys(shard, 'order', 2) as [string, string]
      const readings = await shard.check([
        { key: a, policy, tokens: 4 },
        { key: b, policy, tokens: 1 },
        { key: a, policy, tokens: 7 },
        { key: a, policy, tokens: 6 },
        { key: b, policy, tokens: 1 },
      ])
      expect(left(readings)).toEqual([6, 9, 'denied', 0, 8])
    })

    it('are found on their own master, whichever master is asked', async () => {
      const names = Array.from({ length: 20 }, (_, i) => `anywhere:${i}`)
      for (const [i, shard] of store.shards.entries()) {
        expect(left(await spend(shard, names))).toEqual(names.map(() => CAPACITY - 1 - i))
      }
    })

    it('are spent from exactly once by each check while their slot moves', async () => {
      const [from, to] = cluster.masters as [ClusterNode, ClusterNode]
      const partition = BUCKET_SLOTS.findIndex(slot => client.slots[slot]?.[0] === shardAt(from).name)
      const slot = BUCKET_SLOTS[partition] as number
      const names = Array.from({ length: 2_000 }, (_, i) => `moving:${i}`)
        .filter(key => bucketPartition(key) === partition)
        .slice(0, 12)
      expect(left(await spend(shardAt(from), names.slice(0, 8)))).toEqual(Array(8).fill(9))
      const redirectedBefore = redirected

      await to.redis.cluster('SETSLOT', slot, 'IMPORTING', from.id)
      await from.redis.cluster('SETSLOT', slot, 'MIGRATING', to.id)
      const moved = names.slice(0, 4).map(key => keys.bucket(key))
      await from.redis.call('MIGRATE', '127.0.0.1', to.server.port, '', 0, 5_000, 'KEYS', ...moved)
      // Four are on the new master, four still on the old one, and four do not exist yet. Each is checked twice in one batch.
      const twice = names.flatMap(key => [key, key])
      const expected = names.flatMap((_, i) => (i < 8 ? [8, 7] : [9, 8]))
      expect(left(await spend(shardAt(from), twice))).toEqual(expected)
      expect(redirected).toBeGreaterThan(redirectedBefore)

      await cluster.moveSlot(slot, from, to)
      expect(left(await spend(shardAt(from), names))).toEqual(names.map((_, i) => (i < 8 ? 6 : 7)))
      await eventually(() => expect(store.shardOf(names[0] ?? '')).toBe(shardAt(to)))
      expect(left(await spend(shardAt(to), names))).toEqual(names.map((_, i) => (i < 8 ? 5 : 6)))
    })

    it('of one hash tag are decided together: all of them, or none', async () => {
      const names = ['user', 'team', 'org'].map(name => `{together}:${name}`)
      const shard = store.shardOf(names[0] ?? '')
      const group = (tokens: number) => ({
        checks: names.map((key, i) => ({ key, policy, tokens: i === 2 ? tokens : 1 })),
        shadowed: names.map(() => false),
      })
      // Groups with another tag, and so of other slots, are in the same calls.
      const others = ownKeys(shard, 'apart', 5).map(key => ({
        checks: [{ key, policy, tokens: 2 }],
        shadowed: [false],
      }))
      const readings = await shard.checkAll([group(4), ...others, group(7), group(6)])
      expect(readings.map(reading => reading?.allowed)).toEqual([true, ...others.map(() => true), false, true])
      expect(left(await shard.check(names.map(key => ({ key, policy, tokens: 0 }))))).toEqual([8, 8, 0])
    })

    it('hold what a reservation reserves, until it is settled', async () => {
      const ids: ReservationId[] = []
      for (const shard of store.shards) {
        for (const key of ownKeys(shard, `reserved-${shard.name}`, 4)) {
          const id = reservationId(key, String(ids.length).padStart(22, '0'))
          ids.push(id)
          const [reading] = await shard.checkAll([reserving(id, key)])
          expect(reading?.reservation).toBeDefined()
          expect(left(await shard.check([{ key, policy, tokens: 0 }]))).toEqual([CAPACITY])
        }
      }
      const shardOf = (id: ReservationId) => store.shardOfReservation(id)
      for (const id of ids) {
        const [held] = await shardOf(id).read([id])
        expect(held).toMatchObject({ status: 'held', keys: [{ tokens: 4 }] })
        const [settled] = await shardOf(id).settle([{ id, amounts: 3, policyOf: () => policy }])
        expect(settled).toMatchObject({ status: 'settled', keys: [{ charged: 3, reading: { allowed: true } }] })
      }
    })

    it('keep their reservations while their slot moves', async () => {
      const [from, to] = cluster.masters as [ClusterNode, ClusterNode]
      const partition = BUCKET_SLOTS.findIndex(slot => client.slots[slot]?.[0] === shardAt(from).name)
      const slot = BUCKET_SLOTS[partition] as number
      const [key = ''] = Array.from({ length: 2_000 }, (_, i) => `kept:${i}`).filter(
        name => bucketPartition(name) === partition,
      )
      const id = reservationId(key, 'm'.repeat(22))
      await shardAt(from).checkAll([reserving(id, key)])
      await cluster.moveSlot(slot, from, to)
      // The old master is asked, and redirects.
      expect(await shardAt(from).read([id])).toMatchObject([{ status: 'held' }])
      expect(await shardAt(from).settle([{ id, amounts: 'reserved', policyOf: () => policy }])).toMatchObject([
        { status: 'settled', keys: [{ charged: 4 }] },
      ])
      await eventually(() => expect(store.shardOfReservation(id)).toBe(shardAt(to)))
      expect(await shardAt(to).settle([{ id, amounts: 'reserved', policyOf: () => policy }])).toMatchObject([
        { status: 'settled', keys: [{ charged: 4 }] },
      ])
    })

    it.each([
      ['only the holds of one key have moved', (name: string) => name.endsWith('b\x01holds')],
      ['all but the holds have moved', (name: string) => !name.endsWith('holds')],
    ])('keep them whole while %s', async (_, hasMoved) => {
      const [from, to] = cluster.masters as [ClusterNode, ClusterNode]
      const partition = BUCKET_SLOTS.findIndex(slot => client.slots[slot]?.[0] === shardAt(from).name)
      const slot = BUCKET_SLOTS[partition] as number
      const tag = Array.from({ length: 2_000 }, (_, i) => `{moving:${i}}`).find(
        name => bucketPartition(name) === partition,
      )
      const [a, b] = [`${tag}a`, `${tag}b`]
      const [id, earlier] = [reservationId(a, 'm'.repeat(22)), reservationId(a, 'e'.repeat(22))]
      await shardAt(from).checkAll([reserving(earlier, a, b), reserving(id, a, b)])
      const stored = [keys.record(id), ...[a, b].flatMap(key => [keys.bucket(key), keys.holds(key)])]
      await to.redis.cluster('SETSLOT', slot, 'IMPORTING', from.id)
      await from.redis.cluster('SETSLOT', slot, 'MIGRATING', to.id)
      const moved = stored.filter(hasMoved)
      await from.redis.call('MIGRATE', '127.0.0.1', to.server.port, '', 0, 5_000, 'KEYS', ...moved)

      const nothing = [undefined]
      const undone = () => nothing
      const settlement = { id, amounts: 3, policyOf: () => policy }
      expect(await shardAt(from).settle([settlement]).catch(undone)).toEqual(nothing)
      expect(await shardAt(from).extend([{ id }]).catch(undone)).toEqual(nothing)
      expect(await shardAt(from).read([id]).catch(undone)).toEqual(nothing)
      const other = reservationId(a, 'n'.repeat(22))
      expect(
        await shardAt(from)
          .checkAll([reserving(other, a, b)])
          .catch(undone),
      ).toEqual(nothing)
      // What is spent does not need the holds.
      expect(left(await spend(shardAt(from), [a, b]))).toEqual([9, 9])

      await cluster.moveSlot(slot, from, to)
      expect(await shardAt(from).read([id])).toMatchObject([{ status: 'held' }])
      expect(await shardAt(from).settle([settlement])).toMatchObject([
        { status: 'settled', keys: [{ charged: 3 }, { charged: 3 }] },
      ])
      const readings = await shardAt(from).check([a, b].map(key => ({ key, policy, tokens: 0 })))
      expect(left(readings)).toEqual([6, 6])
      expect(readings.map(reading => reading?.held?.count)).toEqual([1, 1])
      await eventually(() => expect(store.shardOf(a)).toBe(shardAt(to)))
    })

    it('are not reset while their slot moves without all of their holds, and are as before then', async () => {
      const [from, to] = cluster.masters as [ClusterNode, ClusterNode]
      const partition = BUCKET_SLOTS.findIndex(slot => client.slots[slot]?.[0] === shardAt(from).name)
      const slot = BUCKET_SLOTS[partition] as number
      const [key = ''] = Array.from({ length: 4_000 }, (_, i) => `reset:${i}`).filter(
        name => bucketPartition(name) === partition,
      )
      const ids = ['r', 's'].map(letter => reservationId(key, letter.repeat(22)))
      await shardAt(from).checkAll(ids.map(id => reserving(id, key)))
      await to.redis.cluster('SETSLOT', slot, 'IMPORTING', from.id)
      await from.redis.cluster('SETSLOT', slot, 'MIGRATING', to.id)
      await from.redis.call('MIGRATE', '127.0.0.1', to.server.port, '', 0, 5_000, 'KEYS', keys.holds(key))
      await expect(shardAt(from).reset(key)).rejects.toThrow()

      await cluster.moveSlot(slot, from, to)
      expect(await shardAt(from).read(ids)).toMatchObject([{ status: 'held' }, { status: 'held' }])
      await shardAt(from).reset(key)
      expect(await shardAt(from).read(ids)).toMatchObject([{ status: 'released' }, { status: 'released' }])
      await eventually(() => expect(store.shardOf(key)).toBe(shardAt(to)))
    })

    it('are full again after a reset, wherever they are', async () => {
      for (const shard of store.shards) {
        const [key] = ownKeys(shard, 'reset', 1) as [string]
        await spend(shard, [key, key])
        await shard.reset(key)
        expect(left(await spend(shard, [key]))).toEqual([9])
      }
    })

    it.each([
      ['its owner', (owner: ClusterNode) => [owner]],
      ['every master', () => cluster.masters],
    ])(
      'whose slot is deleted at %s are a shard of their own, which is unavailable until the slot is back',
      async (_, at) => {
        const [owner] = cluster.masters as [ClusterNode]
        const shard = shardAt(owner)
        const [key = '', ...others] = ownKeys(shard, `unowned-${at(owner).length}`, 20)
        const partition = bucketPartition(key)
        const owned = others.filter(other => bucketPartition(other) !== partition)
        const slot = BUCKET_SLOTS[partition] as number
        for (const { redis } of at(owner)) await redis.cluster('DELSLOTS', slot)

        // In one batch with others, which keep their readings.
        expect(left(await spend(shard, [key, ...owned]))).toEqual([undefined, ...owned.map(() => CAPACITY - 1)])
        const unowned = store.shardOf(key)
        expect([unowned.name, bucketPartition(unowned.probeKey)]).toEqual(['none', partition])
        await eventually(() => expect(bucketPartition(shard.probeKey)).not.toBe(partition))
        expect(store.shards).toContain(unowned)
        const failure = await spend(unowned, [key]).catch((err: Error) => err)
        expect(failure).toMatchObject({
          message: expect.stringContaining('no master owns the slots of 1 of 64 bucket'),
        })
        expect(failureReason(failure)).toBe('unowned-slots')

        await owner.redis.cluster('ADDSLOTS', slot)
        await eventually(async () => expect(left(await spend(unowned, [key]))).toEqual([CAPACITY - 1]))
        // A slot map that was read before names no owner, and may arrive only now. Then the next check finds the owner.
        await eventually(async () => {
          await store.shardOf(key).check([{ key, policy, tokens: 0 }])
          expect(store.shardOf(key)).toBe(shardAt(owner))
        })
        expect(store.shards).not.toContain(unowned)
        expect(left(await spend(shardAt(owner), [key]))).toEqual([CAPACITY - 2])
      },
    )

    it('of an unavailable master are the only ones that cannot be checked', async () => {
      const [first, second, gone] = cluster.masters as [ClusterNode, ClusterNode, ClusterNode]
      const lost = shardAt(gone)
      await gone.server.kill()
      await expect(spend(lost, ownKeys(lost, 'gone', 5))).rejects.toThrow()
      for (const node of [first, second]) {
        // The shards are created again when the slot map is read.
        const shard = shardAt(node)
        expect(left(await spend(shard, ownKeys(shard, 'gone', 5)))).toEqual(Array(5).fill(9))
      }
      await cluster.restart(gone)
      await expectBack(gone)
    })

    it('cannot be checked while the cluster is down, which the failure says, and can be afterwards', async () => {
      const [last, ...others] = cluster.masters as [ClusterNode, ClusterNode, ClusterNode]
      for (const { server } of others) await server.kill()
      const failure = await eventually(async () => {
        const outcome = await spend(shardAt(last), ownKeys(shardAt(last), 'down', 5)).catch((err: Error) => err)
        if (!(outcome instanceof Error)) throw new Error('the master still answers')
        return outcome
      })
      expect(failureReason(failure)).toBe('cluster-down')
      for (const other of others) await cluster.restart(other)
      await expectBack(last)
    })
  })
})

function reserving(id: ReservationId, ...names: readonly string[]): CheckGroup {
  const named = names.map(key => ({ key, tokens: 4 }))
  const hold = { id, ttlMs: 60_000, onExpiry: 'charge', fingerprint: 'f', named } as const
  const checks = names.map(key => ({ key, policy, tokens: 4, reserves: true as const }))
  return { checks, shadowed: names.map(() => false), hold }
}

function tokensSpent({ spent }: BucketReading): number {
  const { unitsPerToken } = policy.limits[0] ?? { unitsPerToken: 1 }
  return Math.ceil((spent[0] ?? 0) / unitsPerToken)
}

/** What a server has done. `others` changes with each connection that opens, reads the slot map, or closes. */
async function activity({ redis }: ClusterNode): Promise<{ scripts: number; reads: number; others: number[] }> {
  const info = await redis.info('all')
  const sumOf = (pattern: RegExp) => [...info.matchAll(pattern)].reduce((sum, [, n]) => sum + Number(n), 0)
  return {
    scripts: sumOf(/^cmdstat_evals?h?a?:calls=(\d+)/gm),
    reads: sumOf(/^total_reads_processed:(\d+)/gm),
    others: [
      /^total_connections_received:(\d+)/gm,
      /^connected_clients:(\d+)/gm,
      /^cmdstat_(?:client|cluster)\|[^:]*:calls=(\d+)/gm,
    ].map(sumOf),
  }
}
