import { describeApi } from '../http/openapi.ts'
import { addRoutes, type RouteDependencies } from './routes.ts'

/** Routes use what they depend on when they are asked; to be described they need nothing. */
const NOTHING = { health: {}, metrics: {}, board: {} } as RouteDependencies

/** The OpenAPI document of all routes. What is committed as docs/openapi.json is this. */
export function describeService(): Promise<Record<string, unknown>> {
  return describeApi(app => addRoutes(app, NOTHING))
}
