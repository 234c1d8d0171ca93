import { fastifyRateLimit } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Redis } from 'ioredis'
import { LIMIT } from '../policy.ts'
import { allowed, CHECK_SCHEMA, type CheckHttpRequest, plainApp } from './check-app.ts'

/**
 * The plugin writes its own three fields in place of the two of the draft.
 * @see https://github.com/fastify/fastify-rate-limit#options
 */
export async function fastifyRateLimitServer(redisUrl: string): Promise<FastifyInstance> {
  const app = plainApp()
  await app.register(fastifyRateLimit, { global: false, redis: new Redis(redisUrl), nameSpace: 'bench-fastify-' })
  const rateLimit = {
    max: LIMIT.capacity,
    timeWindow: '1 minute',
    hook: 'preHandler' as const,
    keyGenerator: (request: FastifyRequest) => (request as CheckHttpRequest).body.key,
  }
  app.post('/check', { schema: CHECK_SCHEMA, config: { rateLimit } }, async (request: CheckHttpRequest) =>
    allowed(request.body.key, 999_999, 1000),
  )
  return app
}
