import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { Problem } from '../errors.ts'

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

const HealthResponse = Type.Object({
  status: Type.Unsafe<'ok' | 'degraded'>({ type: 'string', enum: ['ok', 'degraded'] }),
  version: Type.String(),
  uptimeSeconds: Type.Integer(),
  store: Up,
  configStore: Up,
  circuit: Type.String(),
  reason: Type.Optional(Type.String({ description: 'Why the circuit is not closed.' })),
})

/** `GET /health`: the process serves. `GET /ready`: send it requests. */
export const healthRoutes: FastifyPluginAsyncTypebox<HealthRoutesOptions> = async (app, { state, version }) => {
  app.get('/health', { schema: { response: { 200: HealthResponse } } }, async () => {
    const stores = await state.stores()
    const isWell = stores.store === 'up' && stores.configStore === 'up'
    const status = isWell ? ('ok' as const) : ('degraded' as const)
    return { status, version, uptimeSeconds: Math.floor(process.uptime()), ...stores }
  })

  app.get('/ready', { schema: { response: { 200: Type.Object({ status: Type.Literal('ready') }) } } }, async () => {
    if (state.isReady()) return { status: 'ready' as const }
    throw new Problem('draining', 'the process is stopping, or has not loaded the policies yet')
  })
}
