import { randomUUID } from 'node:crypto'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { CheckRequest, DecisionResponse } from '../../src/check/http/check.schema.ts'
import { LIMIT } from '../policy.ts'

export type CheckHttpRequest = FastifyRequest<{ Body: CheckRequest }>

/** What a route of the benchmark has to be told of; the plugin of a peer reads its part. */
export const CHECK_SCHEMA = { body: CheckRequest, response: { 200: DecisionResponse } }

/** Fastify with its defaults, without a logger, and with the two fields of every response of the service. */
export function plainApp(): FastifyInstance {
  const app = fastify({ genReqId: () => randomUUID() })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    reply.header('cache-control', 'no-store')
    done()
  })
  return app
}

export function setRateLimitFields(reply: FastifyReply, remaining: number, resetAfterMs: number): void {
  reply.header('ratelimit-policy', `"default";q=${LIMIT.capacity};w=${LIMIT.capacity}`)
  reply.header('ratelimit', `"default";r=${remaining};t=${Math.ceil(resetAfterMs / 1000)}`)
}

/** A decision that allows. */
export function allowed(key: string, remaining: number, resetAfterMs: number): DecisionResponse {
  return {
    allowed: true,
    key,
    policy: 'default',
    policyVersion: 0,
    limit: LIMIT.capacity,
    remaining,
    retryAfterMs: 0,
    resetAfterMs,
    source: 'redis',
  }
}
