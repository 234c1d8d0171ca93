import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler } from 'fastify'
import type { ArrivingBodies } from '../../http/arriving-bodies.ts'
import { acceptOnlyJson } from '../../http/json-body.ts'
import { fail } from '../../http/problem.ts'
import type { RequestLog } from '../../http/request-log.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { sendJson } from '../../http/send-json.ts'
import { Problem } from '../../lib/errors.ts'
import { readJsonRequest } from '../envoy/json-request.ts'
import type { RateLimitRequest } from '../envoy/rate-limit-request.ts'
import type { RateLimitService } from '../envoy/rate-limit-service.ts'
import { responseJson } from '../envoy/response-json.ts'
import { RateLimitRequestJson, RateLimitResponseJson } from './envoy-json.schema.ts'

/** Bounds of a body: 1,000 descriptors with three entries each have 16,000 members and items. */
const BODY = { maxBytes: 1024 * 1024, maxElements: 40_000 }

const DOCS: RouteDocs = {
  summary: "Ask Envoy's rate limit service",
  description:
    'Decides descriptors as the service does over gRPC. The status is 429, with the same kind of body, if one of them is over its ' +
    'limit. The body is JSON, whatever its media type.',
  errors: ['store-unavailable', 'overloaded'],
  responses: { 200: RateLimitResponseJson, 429: RateLimitResponseJson },
}

export interface EnvoyJsonRouteOptions {
  readonly rateLimits: RateLimitService
  readonly bodies: ArrivingBodies
  readonly log: RequestLog
}

/** `POST /json`: Envoy's rate limit service in JSON. */
export const envoyJsonRoute: FastifyPluginAsyncTypebox<EnvoyJsonRouteOptions> = async (app, options) => {
  const { rateLimits, bodies, log } = options
  acceptOnlyJson(app, { bodies, ...BODY })
  // Fastify would refuse a malformed Content-Type.
  app.addHook('onRequest', async ({ headers }) => {
    headers['content-type'] = 'application/json'
  })
  const compile = app.validatorCompiler
  const validatorCompiler: FastifySchemaCompiler<unknown> = route =>
    compile === undefined || route.httpPart === 'body' ? validate : compile(route)

  app.post(
    '/json',
    { config: { access: 'check', docs: DOCS }, schema: { body: RateLimitRequestJson }, validatorCompiler },
    (request, reply) => {
      const { socket } = request.raw
      const client = { socket, ip: request.ip }
      const asking = { client, origin: request, deadlineMs: Number.POSITIVE_INFINITY }
      rateLimits.decide(request.body as unknown as RateLimitRequest, asking, (answer, tookMs) => {
        log.checked(request, tookMs)
        if (answer instanceof Problem) return fail(reply, answer)
        reply.code(answer.overallCode === 'OVER_LIMIT' ? 429 : 200)
        return sendJson(reply, responseJson(answer))
      })
    },
  )
}

/** Reads the body, which has more than one form. */
function validate(body: unknown): { readonly value: RateLimitRequest } | { readonly error: Problem } {
  try {
    return { value: readJsonRequest(body) }
  } catch (err) {
    if (err instanceof Problem) return { error: err }
    throw err
  }
}
