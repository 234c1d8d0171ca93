import type { FastifyPluginAsync } from 'fastify'
import { ResponseTurns } from '../http/response-turns.ts'
import type { RouteDocs } from '../http/route-docs.ts'

export interface MetricsRouteOptions {
  /** Merged metrics of all front processes, as Prometheus text in UTF-8. */
  scrape(): Promise<Buffer>
  /** Aborts when the process is about to close: what waits for long then is refused. */
  readonly closing: AbortSignal
}

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

const DOCS: RouteDocs = {
  summary: 'Get metrics',
  description: 'The metrics of all front processes of the instance, as Prometheus text.',
  errors: ['overloaded', 'draining'],
  responses: { 200: { mediaType: 'text/plain', description: 'Metrics in the Prometheus text format.' } },
}

/** `GET /metrics`. Concurrent requests share one scrape and its bytes, and are answered in turns, since it can be large. */
export const metricsRoute: FastifyPluginAsync<MetricsRouteOptions> = async (app, { scrape, closing }) => {
  const turns = new ResponseTurns(closing)
  let scraped: Promise<Buffer> | undefined
  const shared = () => {
    scraped ??= scrape().finally(() => {
      scraped = undefined
    })
    return scraped
  }

  app.get('/metrics', { config: { docs: DOCS } }, async (request, reply) => {
    await turns.next(request)
    return reply.type(PROMETHEUS_TEXT).send(await shared())
  })
}
