import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { Problem } from '../errors.ts'
import type { InstanceHealth, StoreState } from '../health.ts'
import type { RouteDocs } from './route-docs.ts'

export interface HealthRoutesOptions {
  /** Whether requests may be sent here: the policies were loaded once, and the process is not about to stop. */
  isReady(): boolean
  /** How the whole instance is; never waits for long. */
  instance(): Promise<InstanceHealth>
  readonly version: string
}

const Up = Type.Unsafe<StoreState>({ type: 'string', enum: ['up', 'down'] })

const EXAMPLE_HEALTH = {
  status: 'ok',
  version: '1.0.0',
  uptimeSeconds: 3600,
  store: 'up',
  configStore: 'up',
  circuit: 'closed',
}

const HealthResponse = Type.Object(
  {
    status: Type.Unsafe<'ok' | 'degraded'>({ type: 'string', enum: ['ok', 'degraded'] }),
    version: Type.String(),
    uptimeSeconds: Type.Integer(),
    store: Up,
    configStore: Up,
    circuit: Type.String(),
    reason: Type.Optional(Type.String({ description: 'Why a store is down, or why changes of policies wait.' })),
  },
  { examples: [EXAMPLE_HEALTH] },
)

const ReadyResponse = Type.Object({ status: Type.Literal('ready') })

const HEALTH_DOCS: RouteDocs = { summary: 'The health of the instance and its stores' }
const READY_DOCS: RouteDocs = { summary: 'Whether to send it requests', errors: ['draining'] }

/** `GET /health`: the process serves, and how its instance is. `GET /ready`: send it requests. */
export const healthRoutes: FastifyPluginAsyncTypebox<HealthRoutesOptions> = async (
  app,
  { isReady, instance, version },
) => {
  app.get('/health', { config: { docs: HEALTH_DOCS }, schema: { response: { 200: HealthResponse } } }, async () => {
    const { uptimeSeconds, ...stores } = await instance()
    const status = stores.reason === undefined ? ('ok' as const) : ('degraded' as const)
    return { status, version, uptimeSeconds, ...stores }
  })

  app.get('/ready', { config: { docs: READY_DOCS }, schema: { response: { 200: ReadyResponse } } }, async () => {
    if (isReady()) return { status: 'ready' as const }
    throw new Problem('draining', 'the process is stopping, or has not loaded the policies yet')
  })
}
