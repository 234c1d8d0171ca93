import { once } from 'node:events'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals'
import type { Cluster } from 'ioredis'
import { pino } from 'pino'
import { BUCKET_SLOTS, BUCKET_TAGS } from '../../../src/redis/bucket-tags.ts'
import { connect } from '../../../src/redis/connection/connection.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { type ClusterNode, RedisCluster } from '../../support/redis-cluster.ts'
import { targetOf } from '../../support/target-of.ts'

const NEEDS_ALL_SLOTS = ['--cluster-require-full-coverage', 'yes']
const ANY_SLOT = 7
/** Keys of the first of two masters, and of the second, with the slot of the first. */
const [OWN, FOREIGN] = [`{${BUCKET_TAGS.at(0)}}`, `{${BUCKET_TAGS.at(-1)}}`]
const [OWN_SLOT = 0] = BUCKET_SLOTS

const silent = pino({ level: 'silent' })

describeWithRedis('a command that a node redirects to one that dies', () => {
  it('fails, and nothing else does', async () => {
    const unhandled: unknown[] = []
    const note = (err: unknown) => void unhandled.push(err)
    process.on('unhandledRejection', note)
    const cluster = await RedisCluster.start({ masters: 2 })
    const [from, to] = cluster.masters as [ClusterNode, ClusterNode]
    const client = connect('request', { target: targetOf(cluster.url), name: 'test', logger: silent }) as Cluster
    try {
      await eventually(() => Promise.all([client.get(OWN), client.get(FOREIGN)]))
      await to.redis.cluster('SETSLOT', OWN_SLOT, 'IMPORTING', from.id)
      await from.redis.cluster('SETSLOT', OWN_SLOT, 'MIGRATING', to.id)
      to.server.signal('SIGSTOP')
      const answer = client.get(OWN).catch(err => err)
      const redirected = async () => expect(await from.redis.info('errorstats')).toContain('errorstat_ASK')
      await eventually(redirected)
      await to.server.kill()
      expect(await answer).toBeInstanceOf(Error)
      await nextTurn()
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', note)
      client.disconnect()
      await cluster.stop()
    }
  })
})

describeWithRedis('a cluster is found at the host where it is asked', () => {
  it.each([
    ['if its only master does not know its own host', { masters: 1 }],
    ['if its nodes announce no host', { args: ['--cluster-preferred-endpoint-type', 'unknown-endpoint'] }],
    ['if its nodes have no hostname to announce', { args: ['--cluster-preferred-endpoint-type', 'hostname'] }],
  ])('%s', async (_, options) => {
    const cluster = await RedisCluster.start(options)
    const client = connect('request', { target: targetOf(cluster.url), name: 'test', logger: silent }) as Cluster
    try {
      await eventually(() => client.set(OWN, 'first'))
      await client.set(FOREIGN, 'second')
      expect(await Promise.all([client.get(OWN), client.get(FOREIGN)])).toEqual(['first', 'second'])
      await expectToFollow(cluster, client)
    } finally {
      client.disconnect()
      await cluster.stop()
    }
  })
})

/** Moves a slot from the first of several masters, and asks for a key that the first has not any more, and for one that it never had. */
async function expectToFollow({ masters }: RedisCluster, client: Cluster): Promise<void> {
  const [from, to] = masters
  if (from === undefined || to === undefined) return
  await to.redis.cluster('SETSLOT', OWN_SLOT, 'IMPORTING', from.id)
  await from.redis.cluster('SETSLOT', OWN_SLOT, 'MIGRATING', to.id)
  expect(await client.get(`${OWN}:absent`)).toBeNull()
  await from.redis.migrate('127.0.0.1', to.server.port, OWN, 0, 5_000)
  expect(await client.get(OWN)).toBe('first')
  for (const { redis } of [to, from]) await redis.cluster('SETSLOT', OWN_SLOT, 'NODE', to.id)
  expect(await client.get(OWN)).toBe('first')
}

describeWithRedis('a connection that ends while it reads the slot map', () => {
  it('does not read it again', async () => {
    const cluster = await RedisCluster.start({ masters: 1 })
    const client = connect('request', { target: targetOf(cluster.url), name: 'test', logger: silent }) as Cluster
    const [{ server }] = cluster.masters as [ClusterNode]
    try {
      await eventually(() => client.get(OWN))
      const reads = jest.spyOn(client, 'refreshSlotsCache')
      server.signal('SIGSTOP')
      await eventually(() => expect(reads).toHaveBeenCalled())
      client.disconnect()
      await once(client, 'end')
      reads.mockClear()
      await sleep(2 * (client.options.slotsRefreshInterval ?? 0))
      expect(reads).not.toHaveBeenCalled()
    } finally {
      server.signal('SIGCONT')
      client.disconnect()
      await cluster.stop()
    }
  })
})

describeWithRedis('a connection to a cluster that is down', () => {
  let cluster: RedisCluster
  let client: Cluster
  beforeAll(async () => {
    cluster = await RedisCluster.start({ masters: 1, args: NEEDS_ALL_SLOTS })
    client = connect('worker', {
      target: targetOf(cluster.url),
      name: 'test',
      logger: silent,
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
