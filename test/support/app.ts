import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { ConnectionSlots } from '../../src/connections/connection-slots.ts'
import { listenOn } from '../../src/connections/forwarding-listener.ts'
import { MAX_CONNECTIONS } from '../../src/connections/max-connections.ts'
import { buildApp } from '../../src/front/app.ts'
import { composeFront } from '../../src/front/compose-front.ts'
import { buildGrpcServer } from '../../src/front/grpc-server.ts'
import { buildRespServer } from '../../src/front/resp-server.ts'
import { version } from '../../src/lib/version.ts'
import { createLogger, type Logger } from '../../src/observability/logger.ts'
import { healthOfInstance } from '../../src/observability/stores-state.ts'
import { type Env, readEnv } from '../../src/settings/env.ts'
import { loadTracer } from '../../src/tracing/load-tracer.ts'
import type { Tracer } from '../../src/tracing/tracer.ts'
import { composeWorker } from '../../workers/compose-worker.ts'
import { Client } from './client.ts'
import { eventually } from './eventually.ts'
import type { Store } from './store.ts'

export interface AppOptions {
  /** Variables besides `REDIS_URL`. `KEY_PREFIX` is the app's own by default. */
  readonly variables?: Readonly<Record<string, string>>
  /** Whether a worker applies commands from the start. Otherwise they stay queued until `startWorker`. */
  readonly worker?: boolean
  /** Returns the text of `GET /metrics`. */
  readonly scrape?: () => Promise<string>
  readonly logger?: Logger
  /** Whether the process counts as overloaded. By default it measures that itself. */
  readonly isOverloaded?: () => boolean
  /** How many connections it accepts. */
  readonly maxConnections?: number
}

/** A complete front process with its worker, within the process of the test, listening on loopback. */
export class TestApp {
  readonly url: string
  readonly port: number
  /** The port of RESP; 0 without the variable `RESP_PORT`. */
  readonly respPort: number
  /** The port of gRPC; 0 without the variable `GRPC_PORT`. */
  readonly grpcPort: number
  readonly client: Client
  readonly #startWorker: () => Promise<void>
  readonly #drain: (isReplaced: boolean) => void
  readonly #close: () => Promise<void>

  private constructor(
    { port, respPort = 0, grpcPort = 0 }: { port: number; respPort: number | undefined; grpcPort: number | undefined },
    parts: Record<'startWorker' | 'close', () => Promise<void>> & { drain(isReplaced: boolean): void },
  ) {
    this.port = port
    this.respPort = respPort
    this.grpcPort = grpcPort
    this.url = `http://127.0.0.1:${port}`
    this.client = new Client(this.url)
    this.#startWorker = parts.startWorker
    this.#drain = parts.drain
    this.#close = parts.close
  }

  /** Resolves once it is ready. */
  static async start(store: Store, options: AppOptions = {}): Promise<TestApp> {
    const { variables = {}, worker = true, scrape } = options
    const env = readEnv(
      { needsRedis: true },
      {
        REDIS_URL: store.url,
        KEY_PREFIX: `t-${randomUUID()}`,
        LOG_LEVEL: 'error',
        REDIS_TIMEOUT_MS: '20000',
        EVENT_LOOP_LAG_MS: '20000',
        ...variables,
      },
    )
    const logger = options.logger ?? createLogger({ level: env.LOG_LEVEL, role: 'test' })
    const tracer = await loadTracer(env, 'test', logger)
    const front = composeFront(env, logger, { tracer })
    const shared = {
      slots: new ConnectionSlots({
        max: options.maxConnections ?? MAX_CONNECTIONS,
        onClosed: () => front.metrics.connectionClosed(),
      }),
      isOverloaded: options.isOverloaded ?? front.app.isOverloaded,
    }
    const http = buildApp({
      ...front.app,
      ...shared,
      metrics: { scrape: async () => Buffer.from(await (scrape?.() ?? front.metrics.registry.metrics())) },
      health: { isReady: front.isReady, instance: async () => healthOfInstance(await front.stores()), version },
    })
    await http.listen({ host: '127.0.0.1', port: 0 })
    const resp = buildRespServer({ ...front.resp, ...shared })
    const respListener = resp.createListener()
    if (env.RESP_PORT !== undefined) await listenOn(respListener, '127.0.0.1', env.RESP_PORT)
    const grpc = buildGrpcServer({ ...front.grpc, ...shared })
    const grpcListener = grpc.createListener()
    if (env.GRPC_PORT !== undefined) await listenOn(grpcListener, '127.0.0.1', env.GRPC_PORT)
    await front.start(async () => ({ knowPolicies: false, reachStore: false }))

    let closeWorker = async () => {}
    const startWorker = async () => {
      closeWorker = await startConfigWorker(env, logger, tracer)
    }
    const drain = (isReplaced: boolean) => front.drain(isReplaced)
    const close = async () => {
      drain(false)
      respListener.close()
      grpcListener.close()
      await Promise.all([http.close(), resp.close(0, 0), grpc.close(0)])
      await closeWorker()
      await front.close()
      await tracer?.close()
    }
    const { port } = http.server.address() as AddressInfo
    const respPort = (respListener.address() as AddressInfo | null)?.port
    const grpcPort = (grpcListener.address() as AddressInfo | null)?.port
    const app = new TestApp({ port, respPort, grpcPort }, { startWorker, close, drain })
    if (worker) await startWorker()
    await eventually(async () => {
      if (!front.isReady()) throw new Error('the policies are not loaded')
    })
    return app
  }

  /** A caller that sends these fields with each request. */
  as(headers: Readonly<Record<string, string>>): Client {
    return new Client(this.url, headers)
  }

  /** Starts the worker of an app that was started without one. */
  startWorker(): Promise<void> {
    return this.#startWorker()
  }

  /** Makes `/ready` report that the app is not ready, unless another one takes its place. */
  drain({ isReplaced = false } = {}): void {
    this.#drain(isReplaced)
  }

  /** Stops everything that the app started. */
  close(): Promise<void> {
    return this.#close()
  }
}

/** Resolves, once the worker takes commands, with a function that stops it. */
async function startConfigWorker(env: Env, logger: Logger, tracer?: Tracer): Promise<() => Promise<void>> {
  const { workers, ends, close } = composeWorker(env, logger, tracer)
  await workers.start()
  void ends.start()
  return close
}
