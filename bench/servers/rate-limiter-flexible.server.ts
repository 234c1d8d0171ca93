import type { FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { LIMIT } from '../policy.ts'
import { allowed, CHECK_SCHEMA, type CheckHttpRequest, plainApp, setRateLimitFields } from './check-app.ts'

const WINDOW_SECONDS = 60

/** @see https://github.com/animir/node-rate-limiter-flexible/wiki/Redis */
export async function rateLimiterFlexibleServer(redisUrl: string): Promise<FastifyInstance> {
  const app = plainApp()
  const limiter = new RateLimiterRedis({
    storeClient: new Redis(redisUrl),
    keyPrefix: 'bench-flexible',
    points: LIMIT.capacity,
    duration: WINDOW_SECONDS,
  })
  app.post('/check', { schema: CHECK_SCHEMA }, async (request: CheckHttpRequest, reply) => {
    const { remainingPoints, msBeforeNext } = await limiter.consume(request.body.key, request.body.tokens)
    setRateLimitFields(reply, remainingPoints, msBeforeNext)
    return allowed(request.body.key, remainingPoints, msBeforeNext)
  })
  return app
}
