import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Cluster, Redis } from 'ioredis'
import type { RedisClient } from '../../../src/redis/connection/connection.ts'
import { ConnectionLost } from '../../../src/redis/connection/transient.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { scanMembers } from '../../../src/redis/policies/scan-members.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { type ClusterNode, RedisCluster } from '../../support/redis-cluster.ts'
import { RedisServer } from '../../support/redis-server.ts'

const SLOTS = 16_384
const MEMBERS = Array.from({ length: 10_000 }, (_, i) => `member-${i}`)
const ALL = new Map(MEMBERS.map((member, i) => [member, String(i)]))
const keys = new ConfigKeys('throttler', 0)

const SCANS = [
  ['a hash', { command: 'HSCAN', key: keys.policies, keys }],
  ['a sorted set', { command: 'ZSCAN', key: keys.names, keys }],
] as const

async function fill(redis: RedisClient): Promise<void> {
  await redis.hset(keys.policies, ...MEMBERS.flatMap((member, i) => [member, String(i)]))
  await redis.zadd(keys.names, ...MEMBERS.flatMap((member, i) => [i, member]))
}

/** What is read if something happens after the first parts. */
async function readAround(
  redis: RedisClient,
  scan: (typeof SCANS)[number][1],
  happens: () => Promise<unknown> = async () => undefined,
): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  let parts = 0
  for await (const { members } of scanMembers(redis, scan)) {
    for (const [member, value] of members) found.set(member.toString(), value)
    if (++parts === 3) await happens()
  }
  return found
}

describeWithRedis('a scan', () => {
  describe('of one server', () => {
    let server: RedisServer
    let redis: Redis
    beforeEach(async () => {
      server = await RedisServer.start('--appendonly', 'yes')
      redis = new Redis(server.url, { enableReadyCheck: false })
      await fill(redis)
    })
    afterEach(async () => {
      redis.disconnect()
      await server.stop()
    })

    it.each(SCANS)('reads all of %s, and tells where the log ends', async (_, scan) => {
      expect(await readAround(redis, scan)).toEqual(ALL)
      await redis.set(keys.identity, 'one')
      await redis.xadd(keys.log, '7-0', 'event', '{}')
      const { value } = await scanMembers(redis, scan).next()
      expect(value).toMatchObject({ identity: 'one', last: ['7-0', ['event', '{}']] })
    })

    it.each(SCANS)('of %s fails if the server restarts meanwhile', async (_, scan) => {
      const restart = async () => {
        await server.kill('SIGTERM')
        await server.restart()
      }
      await expect(readAround(redis, scan, restart)).rejects.toThrow(ConnectionLost)
      expect(await readAround(redis, scan)).toEqual(ALL)
    })

    it('needs neither the right to read the run id of the server nor a log of the right type', async () => {
      await redis.acl('SETUSER', 'default', '-info')
      await redis.set(keys.log, 'x')
      await redis.hset(keys.identity, 'x', 'y')
      expect(await readAround(redis, SCANS[0][1])).toEqual(ALL)
      const { value } = await scanMembers(redis, SCANS[0][1]).next()
      expect(value).toMatchObject({ identity: null, last: undefined })
    })
  })

  it('of a cluster fails if its slot moves, or a replica takes over', async () => {
    const cluster = await RedisCluster.start({ masters: 2, replicas: 2 })
    const client = new Cluster(cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })))
    try {
      await fill(client)
      const slot = Number(await client.cluster('KEYSLOT', keys.policies))
      const owner = slot < SLOTS / 2 ? 0 : 1
      const [from, to] = [cluster.masters[owner], cluster.masters[1 - owner]] as [ClusterNode, ClusterNode]
      const { redis: replica } = cluster.replicas[1 - owner] as ClusterNode
      const takeOver = async () => {
        await replica.cluster('FAILOVER')
        await eventually(async () => expect(await replica.role()).toContain('master'))
      }
      for (const change of [() => cluster.moveSlot(slot, from, to), takeOver]) {
        await expect(readAround(client, SCANS[0][1], change)).rejects.toThrow(ConnectionLost)
        expect(await readAround(client, SCANS[0][1])).toEqual(ALL)
      }
    } finally {
      client.disconnect()
      await cluster.stop()
    }
  })
})
