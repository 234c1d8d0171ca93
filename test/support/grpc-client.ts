import { fileURLToPath } from 'node:url'
import {
  type Client,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const LOADING = { longs: Number, enums: String, defaults: false, oneofs: true }

function packageOf(file: string): Record<string, never> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return loadPackageDefinition(loadSync(path, LOADING)) as never
}

type Unary = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (err: ServiceError | null, response?: never) => void,
) => void
type Stub<Methods> = Client & Methods
type StubClass<Methods> = new (address: string, channel: unknown) => Stub<Methods>

const envoy = packageOf('./ratelimit.proto') as unknown as {
  envoy: { service: { ratelimit: { v3: { RateLimitService: StubClass<{ ShouldRateLimit: Unary }> } } } }
}
const grpc = packageOf('./health.proto') as unknown as {
  grpc: {
    health: {
      v1: { Health: StubClass<{ Check: Unary; Watch(request: object): ClientReadableStream<HealthResponse> }> }
    }
  }
}

interface HealthResponse {
  readonly status: string
}

/** A response of Envoy's rate limit service, as grpc-js decodes it. */
export interface RateLimitAnswer {
  readonly overallCode: string
  readonly statuses: readonly {
    readonly code: string
    readonly currentLimit?: { readonly name: string; readonly requestsPerUnit: number; readonly unit?: string }
    readonly limitRemaining?: number
    readonly durationUntilReset?: { readonly seconds?: number; readonly nanos?: number }
  }[]
  readonly responseHeadersToAdd?: readonly { readonly key: string; readonly value: string }[]
}

/** How a call failed. */
export interface GrpcFailure {
  readonly status: string
  readonly message: string
}

interface CallOptions {
  readonly token?: string
  readonly timeoutMs?: number
  readonly traceparent?: string
}

/** The entries of a descriptor: a key and its value in turn. */
export function descriptor(...words: readonly string[]) {
  const entries = words.flatMap((key, i) => (i % 2 === 0 ? [{ key, value: words[i + 1] ?? '' }] : []))
  return { entries }
}

/** A client of gRPC's own library for Node. */
export class GrpcClient {
  readonly #rateLimits: Stub<{ ShouldRateLimit: Unary }>
  readonly #health: Stub<{ Check: Unary; Watch(request: object): ClientReadableStream<HealthResponse> }>

  constructor(port: number) {
    const address = `127.0.0.1:${port}`
    this.#rateLimits = new envoy.envoy.service.ratelimit.v3.RateLimitService(address, credentials.createInsecure())
    this.#health = new grpc.grpc.health.v1.Health(address, credentials.createInsecure())
  }

  ask(request: object, options: CallOptions = {}): Promise<RateLimitAnswer | GrpcFailure> {
    return this.#call((...call) => this.#rateLimits.ShouldRateLimit(...call), request, options)
  }

  async health(service = ''): Promise<string> {
    const answer = await this.#call<HealthResponse>((...call) => this.#health.Check(...call), { service }, {})
    return answer.status
  }

  watchHealth(): ClientReadableStream<HealthResponse> {
    return this.#health.Watch({ service: '' })
  }

  close(): void {
    this.#rateLimits.close()
    this.#health.close()
  }

  #call<Answer>(
    method: Unary,
    request: object,
    { token, timeoutMs = 10_000, traceparent }: CallOptions,
  ): Promise<Answer | GrpcFailure> {
    const metadata = new Metadata()
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
    if (traceparent !== undefined) metadata.set('traceparent', traceparent)
    return new Promise(resolve => {
      method(request, metadata, { deadline: Date.now() + timeoutMs }, (err, response) => {
        if (err === null) resolve(response as Answer)
        else resolve({ status: status[err.code] as string, message: err.details })
      })
    })
  }
}
