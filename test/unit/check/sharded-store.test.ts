import { describe, expect, it } from '@jest/globals'
import type { Circuit } from '../../../src/check/circuit-breaker.ts'
import type { CircuitBreakerStore } from '../../../src/check/circuit-breaker-store.ts'
import type { BucketShard } from '../../../src/check/ports.ts'
import { ShardedStore } from '../../../src/check/sharded-store.ts'

/** A store whose shards have these circuit states. */
function given(circuits: readonly Circuit[]) {
  const shards = circuits.map((circuit, i) => ({ name: `shard ${i}`, circuit }) as unknown as BucketShard)
  const closed: string[] = []
  const guard = (shard: BucketShard) =>
    ({
      circuit: (shard as unknown as { circuit: Circuit }).circuit,
      examine: async () => ((shard as unknown as { circuit: Circuit }).circuit === 'closed' ? undefined : 'timeout'),
      retire: () => void closed.push(shard.name),
    }) as Partial<CircuitBreakerStore> as CircuitBreakerStore
  const shardOf = (key: string) => shards[Number(key)] as BucketShard
  return { shards, closed, store: new ShardedStore({ shards, shardOf, shardOfReservation: shardOf }, guard) }
}

describe('a sharded store', () => {
  it.each<[Circuit[], Circuit]>([
    [['closed', 'closed'], 'closed'],
    [['closed', 'half-open', 'closed'], 'half-open'],
    [['half-open', 'open', 'closed'], 'open'],
    [[], 'open'],
  ])('with the circuits %j reports the worst: %s', (circuits, worst) => {
    expect(given(circuits).store.circuit).toBe(worst)
  })

  it('is unavailable while a shard is, or while no shard is known', async () => {
    expect(await given(['closed', 'closed']).store.examine()).toBe(undefined)
    expect(await given(['closed', 'open']).store.examine()).toBe('timeout')
    expect(await given([]).store.examine()).toBe('cluster-down')
  })

  it('keeps one circuit breaker for each shard, and retires that of a shard that no longer exists', () => {
    const { shards, closed, store } = given(['closed', 'closed'])
    const [first, second] = [store.breakerFor('0'), store.breakerFor('1')]
    expect(store.breakerFor('0')).toBe(first)
    shards[0] = { name: 'another' } as BucketShard
    expect(store.breakerFor('0')).not.toBe(first)
    expect([store.breakerFor('1') === second, closed]).toEqual([true, ['shard 0']])
  })
})
