import type { FastifyPluginAsync } from 'fastify'
import type { RouteDocs } from '../http/route-docs.ts'
import { LARGE_RESPONSE_PACE, Turns } from '../http/turns.ts'

export interface MetricsRouteOptions {
  /** Merged metrics of all front processes, as Prometheus text. */
  scrape(): Promise<string>
}

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

const DOCS: RouteDocs = {
  summary: 'Get metrics',
  description: 'The metrics of all front processes of the instance, as Prometheus text.',
  errors: ['overloaded'],
  responses: { 200: { mediaType: 'text/plain', description: 'Metrics in the Prometheus text format.' } },
}

/** `GET /metrics`. Concurrent requests share one scrape and its bytes, and are answered in turns, since it can be large. */
export const metricsRoute: FastifyPluginAsync<MetricsRouteOptions> = async (app, { scrape }) => {
  const turns = new Turns(LARGE_RESPONSE_PACE)
  let scraped: Promise<Buffer> | undefined
  const shared = () => {
    scraped ??= scrape()
      .then(text => Buffer.from(text))
      .finally(() => {
        scraped = undefined
      })
    return scraped
  }

  app.get('/metrics', { config: { docs: DOCS } }, async (_request, reply) => {
    await turns.next()
    return reply.type(PROMETHEUS_TEXT).send(await shared())
  })
}
