import type { FastifyInstance } from 'fastify'
import { allowed, CHECK_SCHEMA, type CheckHttpRequest, plainApp, setRateLimitFields } from './check-app.ts'

/** What HTTP alone costs: the same request, the same answer, and nothing in between. */
export async function floorServer(): Promise<FastifyInstance> {
  const app = plainApp()
  app.post('/check', { schema: CHECK_SCHEMA }, async (request: CheckHttpRequest, reply) => {
    setRateLimitFields(reply, 999_999, 1000)
    return allowed(request.body.key, 999_999, 1000)
  })
  return app
}
