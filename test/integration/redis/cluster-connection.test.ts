import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Cluster } from 'ioredis'
import { pino } from 'pino'
import { connect } from '../../../src/redis/connection/connection.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisCluster } from '../../support/redis-cluster.ts'
import { targetOf } from '../../support/target-of.ts'

/** The master of a cluster without others does not find its own address. */
const NEEDS_ALL_SLOTS = ['--cluster-require-full-coverage', 'yes', '--cluster-announce-ip', '127.0.0.1']
const ANY_SLOT = 7

describeWithRedis('a connection to a cluster that is down', () => {
  let cluster: RedisCluster
  let client: Cluster
  beforeAll(async () => {
    cluster = await RedisCluster.start({ masters: 1, args: NEEDS_ALL_SLOTS })
    client = connect('worker', {
      target: targetOf(cluster.url),
      name: 'test',
      logger: pino({ level: 'silent' }),
    }) as Cluster
    client.on('error', () => undefined)
  })
  afterAll(async () => {
    client.disconnect()
    await cluster.stop()
  })

  it.each([
    ['made', () => client],
    ['duplicated as BullMQ does', () => client.duplicate(undefined, { redisOptions: { connectionName: 'copy' } })],
  ])('%s, reports that it cannot connect, and connects once the cluster is up', async (_, make) => {
    const master = cluster.masters[0]?.redis
    const connection = make()
    connection.on('error', () => undefined)
    await eventually(() => expect(connection.status).toBe('ready'))
    await master?.cluster('DELSLOTS', ANY_SLOT)
    connection.disconnect()
    await eventually(() => expect(connection.status).toBe('end'))
    await expect(connection.connect()).rejects.toThrow('before the cluster was ready')

    await master?.cluster('ADDSLOTS', ANY_SLOT)
    await eventually(() => expect(connection.status).toBe('ready'))
    connection.disconnect()
  })

  it('knows no owner of a slot that has none any more', async () => {
    const connection = client.duplicate() as Cluster
    await eventually(() => expect(connection.slots[ANY_SLOT]).toHaveLength(1))
    await cluster.masters[0]?.redis.cluster('DELSLOTS', ANY_SLOT)
    connection.refreshSlotsCache()
    await eventually(() => expect(connection.slots[ANY_SLOT]).toBeUndefined())
    expect(connection.slots[ANY_SLOT + 1]).toHaveLength(1)
    await cluster.masters[0]?.redis.cluster('ADDSLOTS', ANY_SLOT)
    await eventually(() => expect(connection.slots[ANY_SLOT]).toHaveLength(1))
    connection.disconnect()
  })
})
