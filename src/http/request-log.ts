import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '../logger.ts'

/** One line for each request that is not a check; the route's pattern stands for the path, which may bear a caller's key. */
export function logRequests(app: FastifyInstance, logger: Logger): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.config.access !== 'check') reply.raw.once('finish', () => log(logger, request, reply))
    done()
  })
}

function log(
  logger: Logger,
  { id: requestId, method, actor, routeOptions }: FastifyRequest,
  reply: FastifyReply,
): void {
  const { statusCode: status, elapsedTime: ms } = reply
  logger.info({ requestId, method, route: routeOptions.url, status, ms, actor }, 'request')
}
