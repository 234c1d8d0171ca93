import type { FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { sendDecision } from '../../src/check/http/send-decision.ts'
import { writeRateLimitFields } from '../../src/check/rate-limit-fields.ts'
import { decideByBucket } from '../../src/domain/decision.ts'
import type { BucketReading } from '../../src/domain/reading.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { POLICY } from '../policy.ts'
import { CHECK_SCHEMA, type CheckHttpRequest, plainApp } from './check-app.ts'

/** The service's script and store, but one call for each check: what batching saves. */
export async function evalshaServer(redisUrl: string): Promise<FastifyInstance> {
  const app = plainApp()
  const store = new RedisBucketStore(new Redis(redisUrl), new BucketKeys('bench-evalsha'))
  app.post('/check', { schema: { body: CHECK_SCHEMA.body } }, async (request: CheckHttpRequest, reply) => {
    const asked = { key: request.body.key, policy: POLICY, tokens: request.body.tokens }
    const [reading] = await store.check([asked])
    const decision = decideByBucket(asked, reading as BucketReading, 'redis')
    writeRateLimitFields(decision, 'draft', reply)
    return sendDecision(reply, decision)
  })
  return app
}
