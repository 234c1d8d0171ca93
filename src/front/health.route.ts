import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { RouteDocs } from '../http/route-docs.ts'
import { Problem } from '../lib/errors.ts'
import type { InstanceHealth, StoreState } from '../observability/stores-state.ts'

export interface HealthRoutesOptions {
  /** Whether the process accepts requests: the policies are loaded, and it is not draining. */
  isReady(): boolean
  /** The health of the whole instance. Bounded in time. */
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
    reason: Type.Optional(Type.String({ description: 'Why a store is unavailable, or why changes wait.' })),
  },
  { examples: [EXAMPLE_HEALTH] },
)

const ReadyResponse = Type.Object({ status: Type.Literal('ready') })

const HEALTH_DOCS: RouteDocs = { summary: 'The health of the instance and its stores' }
const READY_DOCS: RouteDocs = { summary: 'Whether the process accepts requests', errors: ['draining'] }

/** `GET /health`: the process is alive, and the health of its instance. `GET /ready`: the process accepts requests. */
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
