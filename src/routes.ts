import type { FastifyInstance } from 'fastify'
import { type BatchRouteOptions, batchRoute } from './check/batch.route.ts'
import { bucketRoutes } from './check/buckets.route.ts'
import { checkRoutes } from './check/check.route.ts'
import { forwardAuthRoute } from './check/forward-auth.route.ts'
import { type ChangeRoutesOptions, changeRoutes } from './config-change/change.route.ts'
import { type CommandRoutesOptions, commandRoutes } from './config-change/commands.route.ts'
import { type ConfigRoutesOptions, configRoutes } from './config-change/config.route.ts'
import { type ExportRouteOptions, exportRoute } from './config-change/export.route.ts'
import { type ImportRouteOptions, importRoute } from './config-change/import.route.ts'
import { type BullBoardRouteOptions, bullBoardRoute } from './http/bull-board.route.ts'
import { docsRoute } from './http/docs.route.ts'
import { type HealthRoutesOptions, healthRoutes } from './http/health.route.ts'
import { type MetricsRouteOptions, metricsRoute } from './http/metrics.route.ts'

type ConfigOptions = ConfigRoutesOptions & ChangeRoutesOptions & ExportRouteOptions & ImportRouteOptions

export interface RouteDependencies extends BatchRouteOptions, ConfigOptions, CommandRoutesOptions {
  readonly health: HealthRoutesOptions
  readonly metrics: MetricsRouteOptions
  readonly board: BullBoardRouteOptions
}

/** Every route of the service. */
export function addRoutes(app: FastifyInstance, deps: RouteDependencies): void {
  app.register(checkRoutes, deps)
  app.register(batchRoute, deps)
  app.register(forwardAuthRoute, deps)
  app.register(bucketRoutes, deps)
  app.register(changeRoutes, deps)
  app.register(configRoutes, deps)
  app.register(exportRoute, deps)
  app.register(importRoute, deps)
  app.register(commandRoutes, deps)
  app.register(healthRoutes, deps.health)
  app.register(metricsRoute, deps.metrics)
  app.register(bullBoardRoute, deps.board)
  app.register(docsRoute)
}
