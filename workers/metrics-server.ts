import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Server as Listener } from 'node:net'
import { ConnectionSlots } from '../src/connections/connection-slots.ts'
import { Connections } from '../src/connections/connections.ts'
import { forwardingListener } from '../src/connections/forwarding-listener.ts'
import { heldMemory } from '../src/connections/held-memory.ts'
import { LingeringClose } from '../src/connections/lingering-close.ts'
import { readingTurns } from '../src/connections/paced-reading.ts'
import { SlowClients } from '../src/connections/slow-clients.ts'
import { UnreadBodies } from '../src/connections/unread-bodies.ts'
import { listenAddresses } from '../src/lib/loopback-hosts.ts'
import { shareNextRun } from '../src/lib/share-runs.ts'
import { version } from '../src/lib/version.ts'
import type { Logger } from '../src/observability/logger.ts'
import { SCRAPE_INTERVAL_MS } from '../src/observability/process-metrics.ts'

/** Only a few monitoring systems query a worker. */
const MAX_CONNECTIONS = 50

/** The request in progress and one more. */
const MAX_UNANSWERED_PER_CONNECTION = 2

/** Time for a request, in ms. */
const REQUEST_TIMEOUT_MS = 10_000

const TIMEOUTS = {
  headersTimeout: REQUEST_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: 2_500,
}

interface MetricsServerOptions {
  readonly host: string
  /** 0 disables the server. */
  readonly port: number
  /** Resolves in a bounded time with the reason why the policy store is unavailable; `undefined` if it is available. */
  inspectStore(): Promise<string | undefined>
  /** The partitions whose queue the worker cannot reach. */
  unreachablePartitions(): readonly number[]
  /** Prometheus text. */
  metrics(): Promise<string>
  readonly logger: Logger
}

/** A worker's own `/health` and `/metrics`. If the port is taken, the worker runs without them: applying changes matters more. */
export function serveMetrics(options: MetricsServerOptions): Server | undefined {
  const { host, port, logger } = options
  if (port === 0) return undefined
  const metrics = shareNextRun(options.metrics, SCRAPE_INTERVAL_MS)
  const server = createServer(TIMEOUTS, async ({ url, method, socket }, response) => {
    // Requests that arrived before their client was disconnected are still parsed.
    if (socket.destroyed) return
    const path = url?.replace(/[?#].*$/s, '')
    if (path !== '/health' && path !== '/metrics')
      return answer(response, 404, { error: 'not found; this port serves only /health and /metrics' })
    if (method !== 'GET' && method !== 'HEAD') {
      return answer(response.setHeader('allow', 'GET, HEAD'), 405, { error: `${method} is not allowed here` })
    }
    if (path === '/health') return answer(response, 200, await health(options))
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8').end(await metrics())
  })
  const connections = new Connections(server, {
    slots: new ConnectionSlots({ max: MAX_CONNECTIONS, alwaysMakesRoom: true, onClosed: () => undefined }),
    maxPipelined: MAX_UNANSWERED_PER_CONNECTION,
  })
  new SlowClients(connections, heldMemory())
  const turns = readingTurns()
  new LingeringClose(server, { unreadBodies: new UnreadBodies(server, turns), turns })
  const [address, ...additionalAddresses] = listenAddresses(host)
  const listen = (listener: Listener, host: string) => {
    listener.on('error', ({ message: reason }) =>
      logger.warn({ reason, host, port }, 'cannot serve /health and /metrics'),
    )
    listener.listen({ host, port })
  }
  listen(server, address)
  for (const additional of additionalAddresses) {
    const listener = forwardingListener(server)
    listen(listener, additional)
    server.once('close', () => listener.close())
  }
  return server
}

async function health({ inspectStore, ...options }: MetricsServerOptions) {
  const storeReason = await inspectStore()
  const unreachablePartitions = options.unreachablePartitions()
  const reason = storeReason ?? (unreachablePartitions.length > 0 ? 'queue-unreachable' : undefined)
  return {
    status: reason === undefined ? 'ok' : 'degraded',
    version,
    uptimeSeconds: Math.floor(process.uptime()),
    configStore: storeReason === undefined ? 'up' : 'down',
    ...(reason !== undefined && { reason }),
    ...(unreachablePartitions.length > 0 && { unreachablePartitions }),
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
}
