import type { FastifyPluginAsync } from 'fastify'
import type { RouteDocs } from './route-docs.ts'

export interface MetricsRouteOptions {
  /** The metrics of all front processes together, as Prometheus text. */
  scrape(): Promise<string>
}

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

const DOCS: RouteDocs = {
  summary: 'The metrics of all front processes together',
  responses: { 200: { mediaType: 'text/plain' } },
}

/** `GET /metrics` */
export const metricsRoute: FastifyPluginAsync<MetricsRouteOptions> = async (app, { scrape }) => {
  app.get('/metrics', { config: { docs: DOCS } }, async (_request, reply) =>
    reply.type(PROMETHEUS_TEXT).send(await scrape()),
  )
}
