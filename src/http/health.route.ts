import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { Problem } from '../errors.ts'
import type { RouteDocs } from './route-docs.ts'

export interface ServiceState {
  /** Whether requests may be sent here: the policies were loaded once, and the process is not about to stop. */
  isReady(): boolean
  /** Asks both stores; never waits for long. */
  stores(): Promise<StoresState>
}

interface StoresState {
  readonly store: StoreState
  readonly configStore: StoreState
  readonly circuit: 'closed' | 'half-open' | 'open'
  /** Why the circuit is not closed. */
  readonly reason?: string
}

export type StoreState = 'up' | 'down'

export interface HealthRoutesOptions {
  readonly state: ServiceState
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
    reason: Type.Optional(Type.String({ description: 'Why the circuit is not closed.' })),
  },
  { examples: [EXAMPLE_HEALTH] },
)

const ReadyResponse = Type.Object({ status: Type.Literal('ready') })

const HEALTH_DOCS: RouteDocs = { summary: 'How the process and its stores are' }
const READY_DOCS: RouteDocs = { summary: 'Whether to send it requests', errors: ['draining'] }

/** `GET /health`: the process serves. `GET /ready`: send it requests. */
export const healthRoutes: FastifyPluginAsyncTypebox<HealthRoutesOptions> = async (app, { state, version }) => {
  app.get('/health', { config: { docs: HEALTH_DOCS }, schema: { response: { 200: HealthResponse } } }, async () => {
    const stores = await state.stores()
    const isWell = stores.store === 'up' && stores.configStore === 'up'
    const status = isWell ? ('ok' as const) : ('degraded' as const)
    return { status, version, uptimeSeconds: Math.floor(process.uptime()), ...stores }
  })

  app.get('/ready', { config: { docs: READY_DOCS }, schema: { response: { 200: ReadyResponse } } }, async () => {
    if (state.isReady()) return { status: 'ready' as const }
    throw new Problem('draining', 'the process is stopping, or has not loaded the policies yet')
  })
}
