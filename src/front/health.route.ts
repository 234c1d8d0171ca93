import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { RouteDocs } from '../http/route-docs.ts'
import { Problem } from '../lib/errors.ts'
import type { CircuitState, InstanceHealth, StoreState } from '../observability/stores-state.ts'

export interface HealthRoutesOptions {
  /** Whether the instance accepts requests: the policies are loaded, and it is not stopping. */
  isReady(): boolean
  /** The health of the whole instance. Bounded in time. */
  instance(): Promise<InstanceHealth>
  readonly version: string
}

function storeState(description: string) {
  return Type.Unsafe<StoreState>({ type: 'string', enum: ['up', 'down'], description })
}

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
    status: Type.Unsafe<'ok' | 'degraded'>({
      type: 'string',
      enum: ['ok', 'degraded'],
      description: '`degraded` if a store is unavailable or changes wait. The service answers checks all the same.',
    }),
    version: Type.String({ description: 'Version of the service.' }),
    uptimeSeconds: Type.Integer({ description: 'Time since the start of the instance, in seconds.' }),
    store: storeState('The bucket store.'),
    configStore: storeState('The policy store.'),
    circuit: Type.Unsafe<CircuitState>({
      type: 'string',
      enum: ['closed', 'half-open', 'open'],
      description:
        'The circuit breaker of the bucket store: `open` while it is not asked, `half-open` while it is probed.',
    }),
    reason: Type.Optional(
      Type.String({ description: 'Why a store is unavailable, or why changes wait. Absent if `status` is `ok`.' }),
    ),
  },
  {
    title: 'Health',
    description: 'The health of an instance: the worst state that a front process sees.',
    examples: [EXAMPLE_HEALTH],
  },
)

const ReadyResponse = Type.Object(
  { status: Type.Literal('ready', { description: 'The process accepts requests.' }) },
  { title: 'Readiness', description: 'The process has loaded the policies, and is not stopping.' },
)

const HEALTH_DOCS: RouteDocs = {
  summary: 'Get the health of the instance',
  description: 'Always 200 while the process is alive, even if a store is unavailable.',
}
const READY_DOCS: RouteDocs = {
  summary: 'Get the readiness of the instance',
  description: '200 if the instance accepts requests; 503 while it starts or stops.',
  errors: ['draining'],
}

/** `GET /health`: the process is alive, and the health of its instance. `GET /ready`: the instance accepts requests. */
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
