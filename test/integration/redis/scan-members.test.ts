import { expect, it } from '@jest/globals'
import { Cluster, Redis } from 'ioredis'
import type { RedisClient } from '../../../src/redis/connection/connection.ts'
import { type ScannedMember, scanHash, scanSortedSet } from '../../../src/redis/policies/scan-members.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { type ClusterNode, RedisCluster } from '../../support/redis-cluster.ts'
import { RedisServer } from '../../support/redis-server.ts'

const MEMBERS = Array.from({ length: 10_000 }, (_, i) => `member-${i}`)
const SLOTS = 16_384
const HASH = 'hash'
const SORTED_SET = 'sorted-set'

type Read = (redis: RedisClient) => AsyncGenerator<readonly ScannedMember[]>

const READS: [what: string, key: string, read: Read][] = [
  ['hash', HASH, redis => scanHash(redis, HASH)],
  ['sorted set', SORTED_SET, redis => scanSortedSet(redis, SORTED_SET)],
]

async function fill(redis: RedisClient): Promise<void> {
  await redis.hset(HASH, ...MEMBERS.flatMap((member, i) => [member, String(i)]))
  await redis.zadd(SORTED_SET, ...MEMBERS.flatMap((member, i) => [i, member]))
}

/** What is read if something happens after the first chunks. */
async function readAround(
  chunks: AsyncGenerator<readonly ScannedMember[]>,
  happens: () => Promise<unknown>,
): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  let read = 0
  for await (const chunk of chunks) {
    for (const [member, value] of chunk) found.set(member.toString(), value)
    if (++read === 3) await happens()
  }
  return found
}

const ALL = new Map(MEMBERS.map((member, i) => [member, String(i)]))

describeWithRedis('a scan of members', () => {
  it.each(READS)('reads all of a %s although its server restarts meanwhile', async (_what, _key, read) => {
    const server = await RedisServer.start('--appendonly', 'yes')
    const redis = new Redis(server.url)
    try {
      await fill(redis)
      const restart = async () => {
        await server.kill('SIGTERM')
        await server.restart()
      }
      expect(await readAround(read(redis), restart)).toEqual(ALL)
    } finally {
      redis.disconnect()
      await server.stop()
    }
  })

  it('needs no right to read the run id of the server', async () => {
    const server = await RedisServer.start()
    const redis = new Redis(server.url, { enableReadyCheck: false })
    try {
      await fill(redis)
      await redis.acl('SETUSER', 'default', '-info')
      expect(await readAround(scanHash(redis, HASH), async () => undefined)).toEqual(ALL)
    } finally {
      redis.disconnect()
      await server.stop()
    }
  })

  it.each(READS)(
    'of a cluster reads all of a %s although its slot moves, or a replica takes over',
    async (_, key, read) => {
      const cluster = await RedisCluster.start({ masters: 2, replicas: 2 })
      const client = new Cluster(cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })))
      try {
        await fill(client)
        const slot = Number(await client.cluster('KEYSLOT', key))
        const owner = slot < SLOTS / 2 ? 0 : 1
        const [from, to] = [cluster.masters[owner], cluster.masters[1 - owner]] as [ClusterNode, ClusterNode]
        expect(await readAround(read(client), () => cluster.moveSlot(slot, from, to))).toEqual(ALL)

        const { redis: replica } = cluster.replicas[1 - owner] as ClusterNode
        const takeOver = async () => {
          await replica.cluster('FAILOVER')
          await eventually(async () => expect(await replica.role()).toContain('master'))
        }
        expect(await readAround(read(client), takeOver)).toEqual(ALL)
      } finally {
        client.disconnect()
        await cluster.stop()
      }
    },
  )
})
