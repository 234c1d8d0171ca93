import { Client } from './client.ts'
import type { GeneratedRequest } from './generated-rate-limits.ts'
import { GrpcClient, type RateLimitAnswer } from './grpc-client.ts'

/** The status of a descriptor, over gRPC or JSON. */
export interface AnsweredStatus {
  readonly code: string
  /** `name requestsPerUnit/unit`; `undefined` without a limit. */
  readonly limit: { readonly name: string; readonly requestsPerUnit: number; readonly unit: string } | undefined
  readonly remaining: number
  readonly resetSeconds: number | undefined
}

export interface Answered {
  readonly overallCode: string
  readonly statuses: readonly AnsweredStatus[]
  readonly headers: Readonly<Record<string, string>>
}

interface JsonAnswer extends Omit<RateLimitAnswer, 'statuses'> {
  readonly statuses: readonly (Omit<RateLimitAnswer['statuses'][number], 'durationUntilReset'> & {
    readonly durationUntilReset?: string
  })[]
}

/** Asks one service, over gRPC or over JSON. */
export class RateLimitCaller {
  readonly #grpc: GrpcClient
  readonly #http: Client

  constructor({ grpcPort, url }: { grpcPort: number; url: string }) {
    this.#grpc = new GrpcClient(grpcPort)
    this.#http = new Client(url)
  }

  async ask(request: GeneratedRequest, protocol: 'gRPC' | 'JSON'): Promise<Answered> {
    return protocol === 'gRPC' ? await this.#askGrpc(request) : await this.#askJson(request)
  }

  close(): void {
    this.#grpc.close()
  }

  async #askGrpc(request: GeneratedRequest): Promise<Answered> {
    const answer = await this.#grpc.ask(request, { timeoutMs: 60_000 })
    if (!('statuses' in answer)) throw new Error(`the call failed: ${JSON.stringify(answer)}`)
    return answered(answer, ({ durationUntilReset: reset }) =>
      reset === undefined ? undefined : (reset.seconds ?? 0) + (reset.nanos ?? 0) / 1e9,
    )
  }

  async #askJson(request: GeneratedRequest): Promise<Answered> {
    const body = { ...request, descriptors: request.descriptors.map(descriptorJson) }
    const { status, text } = await this.#http.request('POST', '/json', body)
    const answer: JsonAnswer = JSON.parse(text)
    if (status !== (answer.overallCode === 'OVER_LIMIT' ? 429 : 200)) throw new Error(`${status} with ${text}`)
    return answered(answer, ({ durationUntilReset: reset }) =>
      reset === undefined ? undefined : Number.parseFloat(reset),
    )
  }
}

/** In JSON, a wrapped number is a number. */
function descriptorJson({ hitsAddend, ...rest }: GeneratedRequest['descriptors'][number]) {
  return { ...rest, ...(hitsAddend && { hitsAddend: hitsAddend.value }) }
}

type StatusOf<Answer extends { statuses: readonly object[] }> = Answer['statuses'][number]

function answered<Answer extends RateLimitAnswer | JsonAnswer>(
  answer: Answer,
  resetOf: (status: StatusOf<Answer>) => number | undefined,
): Answered {
  return {
    overallCode: answer.overallCode,
    statuses: answer.statuses.map((status: StatusOf<Answer>) => {
      const { code, currentLimit, limitRemaining = 0 } = status as StatusOf<RateLimitAnswer>
      const { name = '', requestsPerUnit = 0, unit = 'NONE' } = currentLimit ?? {}
      return {
        code,
        limit: currentLimit && { name, requestsPerUnit, unit },
        remaining: limitRemaining,
        resetSeconds: resetOf(status),
      }
    }),
    headers: Object.fromEntries((answer.responseHeadersToAdd ?? []).map(({ key, value }) => [key, value])),
  }
}
