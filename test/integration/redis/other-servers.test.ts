import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { type Cluster, Redis } from 'ioredis'
import { createLogger } from '../../../src/observability/logger.ts'
import { NO_REPORT } from '../../../src/redis/buckets/check-reply.ts'
import { ClusterBuckets } from '../../../src/redis/buckets/cluster-buckets.ts'
import { connect } from '../../../src/redis/connection/connection.ts'
import { failureReason, isDenied } from '../../../src/redis/connection/failure-reason.ts'
import { preflight } from '../../../src/redis/connection/preflight.ts'
import { isTransient } from '../../../src/redis/connection/transient.ts'
import { BucketKeys } from '../../../src/redis/keys.ts'
import { describeWithRedis62, describeWithValkey } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { policyOf } from '../../support/policies.ts'
import { RedisCluster } from '../../support/redis-cluster.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { targetOf } from '../../support/target-of.ts'

const logger = createLogger({ level: 'silent', role: 'test' })

/** Servers word the errors of commands in scripts in ways of their own. */
const SCRIPTS = {
  'that ends with the error': "return redis.call('SET', KEYS[1], 'v')",
  'that returns the error': "return redis.pcall('SET', KEYS[1], 'v')",
  'that throws the error': "local reply = redis.pcall('SET', KEYS[1], 'v') if reply.err then error(reply.err) end",
}

describeWithRedis62('Redis 6.2', () => itIsUnderstood('redis-server-6.2'))
describeWithValkey('Valkey', () => {
  itIsUnderstood('valkey-server')
  itIsAskedAcrossSlots('valkey-server')
})

function itIsUnderstood(program: string): void {
  let server: RedisServer
  let redis: Redis
  beforeAll(async () => {
    server = await RedisServer.startWith({ program })
    redis = new Redis(server.url)
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  const call = (command: string) => {
    const [name = '', ...args] = command.split(' ')
    return redis.call(name, ...args)
  }

  it.each([
    ['out-of-memory', 'CONFIG SET maxmemory 1', 'CONFIG SET maxmemory 0'],
    ['too-few-replicas', 'CONFIG SET min-replicas-to-write 1', 'CONFIG SET min-replicas-to-write 0'],
    ['read-only', 'REPLICAOF 127.0.0.1 1', 'REPLICAOF NO ONE'],
    ['not-authorized', 'ACL SETUSER default -set', 'ACL SETUSER default +set'],
  ])('says in each kind of script why it refuses a write: %s', async (reason, refuse, accept) => {
    await call(refuse)
    try {
      for (const [kind, script] of Object.entries(SCRIPTS)) {
        const err = await redis.eval(script, 1, 'k').then(
          () => new Error('nothing was refused'),
          (refusal: Error) => refusal,
        )
        const isRight = reason === 'not-authorized'
        const { message } = err
        const found = {
          kind,
          message,
          reason: failureReason(err),
          isDenied: isDenied(err),
          isTransient: isTransient(err),
        }
        expect(found).toEqual({ kind, message, reason, isDenied: isRight, isTransient: !isRight })
      }
    } finally {
      await call(accept)
    }
  })

  it('says which kind of server it is', async () => {
    const settings = { KEY_PREFIX: 'throttler', REDIS_TIMEOUT_MS: 5_000 }
    await preflight([targetOf(server.url)], settings, logger)
    const asCluster = preflight([targetOf(server.url.replace('redis:', 'redis+cluster:'))], settings, logger)
    await expect(asCluster).rejects.toThrow('is a standalone server')
  })
}

function itIsAskedAcrossSlots(program: string): void {
  it('takes one call for all buckets that a master of a cluster has', async () => {
    const cluster = await RedisCluster.start({ program })
    const client = connect('request', { target: targetOf(cluster.url), name: 'test', logger }) as Cluster
    let fallbacks = 0
    const observer = { calledPerPartition: () => void fallbacks++, redirected: () => undefined }
    const keys = new BucketKeys('throttler')
    const store = new ClusterBuckets(client, { keys, report: NO_REPORT, observer, logger })
    const checks = Array.from({ length: 1_000 }, (_, i) => ({ key: `k${i}`, policy: policyOf('p'), tokens: 1 }))
    try {
      await eventually(async () => {
        expect(store.shards).toHaveLength(3)
        const before = fallbacks
        for (const shard of store.shards) {
          const own = checks.filter(({ key }) => store.shardOf(key) === shard)
          const readings = await shard.check(own)
          expect(readings.every(reading => reading?.allowed)).toBe(true)
        }
        expect(fallbacks).toBe(before)
      })
    } finally {
      client.disconnect()
      await cluster.stop()
    }
  })
}
