import type { FastifyInstance } from 'fastify'
import { type BatchRouteOptions, batchRoute } from '../check/http/batch.route.ts'
import { type BucketRoutesOptions, bucketRoutes } from '../check/http/buckets.route.ts'
import { checkRoutes } from '../check/http/check.route.ts'
import { type EnvoyJsonRouteOptions, envoyJsonRoute } from '../check/http/envoy-json.route.ts'
import { forwardAuthRoute } from '../check/http/forward-auth.route.ts'
import { type GroupRouteOptions, groupRoute } from '../check/http/group.route.ts'
import { type ReservationRoutesOptions, reservationRoutes } from '../check/http/reservations.route.ts'
import { type ChangeRoutesOptions, changeRoutes } from '../config-change/http/change.route.ts'
import { type CommandRoutesOptions, commandRoutes } from '../config-change/http/commands.route.ts'
import { type ConfigRoutesOptions, configRoutes } from '../config-change/http/config.route.ts'
import { type ExportRouteOptions, exportRoute } from '../config-change/http/export.route.ts'
import { type ImportRouteOptions, importRoute } from '../config-change/http/import.route.ts'
import { type DenialsRouteOptions, denialsRoute } from '../insight/http/denials.route.ts'
import { type StatsRouteOptions, statsRoute } from '../insight/http/stats.route.ts'
import { type TopRouteOptions, topRoute } from '../insight/http/top.route.ts'
import { type BullBoardRouteOptions, bullBoardRoute } from './bull-board.route.ts'
import { consoleRoute } from './console.route.ts'
import { docsRoute } from './docs.route.ts'
import { type HealthRoutesOptions, healthRoutes } from './health.route.ts'
import { type MetricsRouteOptions, metricsRoute } from './metrics.route.ts'

type ConfigOptions = ConfigRoutesOptions & ChangeRoutesOptions & ExportRouteOptions & ImportRouteOptions

type CheckOptions = BatchRouteOptions &
  GroupRouteOptions &
  ReservationRoutesOptions &
  BucketRoutesOptions &
  EnvoyJsonRouteOptions

export interface RouteDependencies extends CheckOptions, ConfigOptions, CommandRoutesOptions {
  readonly insight: StatsRouteOptions & TopRouteOptions & DenialsRouteOptions
  readonly health: HealthRoutesOptions
  readonly metrics: Omit<MetricsRouteOptions, 'closing'>
  readonly board: Omit<BullBoardRouteOptions, 'closing'>
  /** Aborts when the process is about to close: what waits for long then is refused. */
  readonly closing: AbortSignal
}

/** Every route of the service. */
export function addRoutes(app: FastifyInstance, deps: RouteDependencies): void {
  const { closing } = deps
  app.register(checkRoutes, deps)
  app.register(batchRoute, deps)
  app.register(groupRoute, deps)
  app.register(forwardAuthRoute, deps)
  app.register(reservationRoutes, deps)
  app.register(bucketRoutes, deps)
  app.register(envoyJsonRoute, deps)
  app.register(changeRoutes, deps)
  app.register(configRoutes, deps)
  app.register(exportRoute, deps)
  app.register(importRoute, deps)
  app.register(commandRoutes, deps)
  app.register(statsRoute, deps.insight)
  app.register(topRoute, deps.insight)
  app.register(denialsRoute, { ...deps.insight, reads: deps.reads })
  app.register(healthRoutes, deps.health)
  app.register(metricsRoute, { ...deps.metrics, closing })
  app.register(bullBoardRoute, { ...deps.board, closing })
  app.register(consoleRoute, { closing })
  app.register(docsRoute, { closing })
}
