import type { IncomingMessage } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { eventually } from './eventually.ts'
import { HttpServer } from './http-server.ts'

type Value = { readonly stringValue?: string; readonly intValue?: number | string; readonly boolValue?: boolean }
type Attributes = readonly { readonly key: string; readonly value: Value }[]

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes: Attributes
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly status: { readonly code?: number }
}

/** A span as the collector got it. */
export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  readonly attributes: Readonly<Record<string, unknown>>
  /** Ids of the spans that it links to. */
  readonly links: readonly string[]
  readonly hasFailed: boolean
  /** What it has in common with the other spans of its process. */
  readonly resource: Readonly<Record<string, unknown>>
}

interface ReceivedRequest {
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** How long a span may take to arrive, on a machine that does much else, in ms. */
const PATIENCE_MS = 60_000

/** The numbers of OTLP. @see https://opentelemetry.io/docs/specs/otlp/ */
const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const
const FAILED = 2

/** An OpenTelemetry collector, as far as it receives spans in JSON. */
export class Collector {
  readonly spans: ReceivedSpan[] = []
  readonly requests: ReceivedRequest[] = []
  readonly #server: HttpServer

  private constructor(server: HttpServer, requests: ReceivedRequest[], spans: ReceivedSpan[]) {
    this.#server = server
    this.requests = requests
    this.spans = spans
  }

  static async start(): Promise<Collector> {
    const requests: ReceivedRequest[] = []
    const spans: ReceivedSpan[] = []
    const server = await HttpServer.start(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      const sent = Buffer.concat(chunks)
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
      const { url, headers } = request
      requests.push({ url, headers, body })
      const isJson = headers['content-type'] === 'application/json'
      if (isJson) spans.push(...readSpans(body))
      response.setHeader('content-type', headers['content-type'] ?? '').end(isJson ? '{}' : '')
    })
    return new Collector(server, requests, spans)
  }

  get url(): string {
    return this.#server.url
  }

  /** The variables with which a service sends its spans here soon. */
  get variables(): Record<string, string> {
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: this.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '10',
    }
  }

  /** Resolves once so many spans of a trace are there, in the order of their arrival. */
  traceOf(traceId: string, atLeast: number): Promise<readonly ReceivedSpan[]> {
    return eventually(() => {
      const spans = this.spans.filter(span => span.traceId === traceId)
      if (spans.length < atLeast)
        throw new Error(`${spans.length} of ${atLeast} spans: ${spans.map(({ name }) => name)}`)
      return spans
    }, PATIENCE_MS)
  }

  /** Resolves with the first span that is as wanted. */
  spanWith(isWanted: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan> {
    return eventually(() => {
      const span = this.spans.find(isWanted)
      if (span === undefined) throw new Error('there is no such span')
      return span
    }, PATIENCE_MS)
  }

  stop(): Promise<void> {
    return this.#server.stop()
  }
}

function readSpans(body: Buffer): readonly ReceivedSpan[] {
  const { resourceSpans } = JSON.parse(body.toString())
  return resourceSpans.flatMap(({ resource, scopeSpans }: { resource: { attributes: Attributes }; scopeSpans: [] }) =>
    scopeSpans.flatMap(({ spans }: { spans: OtlpSpan[] }) => spans.map(span => received(span, resource.attributes))),
  )
}

function received(span: OtlpSpan, resource: Attributes): ReceivedSpan {
  const { traceId, spanId, parentSpanId, name, kind, attributes, links = [], status } = span
  return {
    ...{ traceId, spanId, parentSpanId: parentSpanId || undefined, name, kind: KINDS[kind] ?? 'internal' },
    attributes: recordOf(attributes),
    links: links.map(link => link.spanId),
    hasFailed: status.code === FAILED,
    resource: recordOf(resource),
  }
}

function recordOf(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? value.boolValue]),
  )
}

/** The context of a caller. @param flags `01` if its trace is sampled */
export function callerContext(traceId: string, flags = '01'): { readonly traceparent: string } {
  return { traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}` }
}

/** The id of the span in `callerContext`. */
export const CALLER_SPAN = '00f067aa0ba902b7'
