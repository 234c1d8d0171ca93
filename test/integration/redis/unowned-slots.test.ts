import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { bucketPartition } from '../../../src/domain/partition.ts'
import { BUCKET_SLOTS } from '../../../src/redis/bucket-tags.ts'
import { TestApp } from '../../support/app.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { type ClusterNode, RedisCluster } from '../../support/redis-cluster.ts'

const FIRST_OF_THIRD_MASTER = Math.round((2 * 16_384) / 3)
const SLOTS = BUCKET_SLOTS.filter(slot => slot >= FIRST_OF_THIRD_MASTER)
const KEYS = Array.from({ length: 300 }, (_, i) => `key:${i}`)
const isUnowned = (key: string) => SLOTS.includes(BUCKET_SLOTS[bucketPartition(key)] as number)

describeWithRedis('a cluster with slots that no master owns', () => {
  let cluster: RedisCluster
  let app: TestApp
  beforeAll(async () => {
    cluster = await RedisCluster.start()
    const variables = { REDIS_URL: cluster.url, LOG_LEVEL: 'silent' }
    app = await TestApp.start({ url: cluster.url, stop: async () => undefined }, { variables, worker: false })
  })
  afterAll(async () => {
    await app.close()
    await cluster.stop()
  })

  const health = async () => (await app.client.get('/health')).body
  const sourceOf = async (key: string) => (await app.client.check(key)).body.source

  it.each([
    ['that gave them up', (owner: ClusterNode) => [owner]],
    ['that all masters know to have none', () => cluster.masters],
  ])('%s has an open circuit for them alone, until they are owned again', async (_, at) => {
    const owner = cluster.masters[2] as ClusterNode
    await eventually(async () => expect(await health()).toMatchObject({ status: 'ok', circuit: 'closed' }))
    for (const { redis } of at(owner)) await redis.cluster('DELSLOTS', ...SLOTS)

    for (const key of KEYS) expect(await sourceOf(key)).toBe(isUnowned(key) ? 'local' : 'redis')
    const degraded = { status: 'degraded', store: 'down', circuit: 'open', reason: 'unowned-slots' }
    await eventually(async () => expect(await health()).toMatchObject(degraded))
    const metrics = await (await fetch(`${app.url}/metrics`)).text()
    expect(metrics).toMatch(/^throttler_store_errors_total\{reason="unowned-slots"\} \d+$/m)
    expect(metrics).toMatch(/^throttler_circuit_state 2$/m)

    await owner.redis.cluster('ADDSLOTS', ...SLOTS)
    await cluster.everySlotOwned()
    await eventually(async () => expect(await health()).toMatchObject({ status: 'ok', circuit: 'closed' }))
    for (const key of KEYS) expect(await sourceOf(key)).toBe('redis')
  })

  it('serves each slot that has an owner again, while others have none', async () => {
    const { redis } = cluster.masters[2] as ClusterNode
    const [unowned, ...ownedAgain] = SLOTS
    for (const master of cluster.masters) await master.redis.cluster('DELSLOTS', ...SLOTS)
    for (const key of KEYS) await sourceOf(key)
    await eventually(async () => expect(await health()).toMatchObject({ circuit: 'open' }))

    await redis.cluster('ADDSLOTS', ...ownedAgain)
    const isStillUnowned = (key: string) => BUCKET_SLOTS[bucketPartition(key)] === unowned
    await eventually(async () => {
      for (const key of KEYS) expect(await sourceOf(key)).toBe(isStillUnowned(key) ? 'local' : 'redis')
    })
    await redis.cluster('ADDSLOTS', unowned as number)
    await cluster.everySlotOwned()
    await eventually(async () => expect(await health()).toMatchObject({ status: 'ok', circuit: 'closed' }))
  })
})
