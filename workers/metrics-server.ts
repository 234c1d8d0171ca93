import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Logger } from '../src/logger.ts'
import { version } from '../src/version.ts'

interface MetricsServerOptions {
  readonly host: string
  /** 0: listens nowhere. */
  readonly port: number
  isStoreUp(): boolean
  /** Prometheus text. */
  metrics(): Promise<string>
  readonly logger: Logger
}

/** A worker's own `/health` and `/metrics`. Where another has the port, the worker does without: its work matters more. */
export function serveMetrics(options: MetricsServerOptions): Server | undefined {
  const { host, port, logger } = options
  if (port === 0) return undefined
  const server = createServer({ requestTimeout: 10_000 }, async ({ url, method }, response) => {
    const path = url?.replace(/[?#].*$/s, '')
    if (path !== '/health' && path !== '/metrics')
      return answer(response, 404, { error: 'there are /health and /metrics' })
    if (method !== 'GET' && method !== 'HEAD') {
      return answer(response.setHeader('allow', 'GET, HEAD'), 405, { error: `${method} is not allowed here` })
    }
    if (path === '/health') return answer(response, 200, health(options))
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8').end(await options.metrics())
  })
  server.on('error', err => logger.warn({ err, host, port }, 'the worker answers no /health and /metrics'))
  server.listen({ host, port })
  return server
}

function health({ isStoreUp }: MetricsServerOptions) {
  const isUp = isStoreUp()
  return {
    status: isUp ? 'ok' : 'degraded',
    version,
    uptimeSeconds: Math.floor(process.uptime()),
    configStore: isUp ? 'up' : 'down',
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
}
