import { describeApi } from '../http/openapi.ts'
import { addRoutes, type RouteDependencies } from './routes.ts'

/** Routes use their dependencies only in requests, so their description needs none. */
const NOTHING = {
  insight: {},
  health: {},
  metrics: {},
  board: {},
  closing: new AbortController().signal,
} as RouteDependencies

/** The OpenAPI document of all routes, committed as docs/openapi.json. */
export function describeService(): Promise<Record<string, unknown>> {
  return describeApi(app => addRoutes(app, NOTHING))
}
