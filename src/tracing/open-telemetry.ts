/** Tracing by OpenTelemetry's SDK, which reads the variables that OpenTelemetry documents. Loaded only if there is a collector. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import {
  type Context,
  defaultTextMapGetter,
  type Span as OtelSpan,
  type Tracer as OtelTracer,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { detectResources, envDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import { withDeadline } from '../lib/deadline.ts'
import { version } from '../lib/version.ts'
import type { Logger } from '../observability/logger.ts'
import type { TracingSettings } from '../settings/tracing.ts'
import { reportTroubles } from './report-troubles.ts'
import type { Span, SpanAttributes, SpanOptions, TraceContext, Tracer } from './tracer.ts'

/** How long a stop waits for the collector at most, in ms, if `SHUTDOWN_TIMEOUT_MS` is long enough. */
const MAX_FLUSH_MS = 2_000

interface OpenTelemetryOptions extends TracingSettings {
  /** Which part of the service this process is. */
  readonly role: string
  readonly shutdownTimeoutMs: number
  readonly logger: Logger
}

export function startOpenTelemetry(options: OpenTelemetryOptions): Tracer {
  const { protocol, role, shutdownTimeoutMs, logger } = options
  reportTroubles(logger)
  const provider = new BasicTracerProvider({
    resource: resourceOf(role),
    spanProcessors: [new BatchSpanProcessor(exporterFor(protocol))],
  })
  return new OpenTelemetryTracer(provider, Math.min(MAX_FLUSH_MS, shutdownTimeoutMs / 5))
}

/** What the spans of this process have in common. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` take precedence. */
function resourceOf(role: string): Resource {
  return resourceFromAttributes({
    'service.name': 'throttler',
    'service.version': version,
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'process.pid': process.pid,
    'throttler.role': role,
  }).merge(detectResources({ detectors: [envDetector] }))
}

function exporterFor(protocol: TracingSettings['protocol']): SpanExporter {
  return protocol === 'http/json' ? new JsonExporter() : new ProtobufExporter()
}

class OpenTelemetryTracer implements Tracer {
  readonly #provider: BasicTracerProvider
  readonly #tracer: OtelTracer
  readonly #propagator = new W3CTraceContextPropagator()
  readonly #flushMs: number

  /** @param flushMs how long `close` takes at most */
  constructor(provider: BasicTracerProvider, flushMs: number) {
    this.#provider = provider
    this.#tracer = provider.getTracer('throttler', version)
    this.#flushMs = flushMs
  }

  startSpan(name: string, { kind, parent }: SpanOptions): Span | undefined {
    const span = this.#tracer.startSpan(name, { kind: KINDS[kind] }, this.#contextOf(parent))
    return span.isRecording() ? new OpenTelemetrySpan(span) : undefined
  }

  async close(): Promise<void> {
    // The rest of the stop ends the process, whatever the collector does.
    await withDeadline(this.#provider.shutdown(), this.#flushMs).catch(() => undefined)
  }

  #contextOf(parent: Span | TraceContext | undefined): Context {
    if (parent?.traceparent === undefined) return ROOT_CONTEXT
    if (parent instanceof OpenTelemetrySpan) return trace.setSpan(ROOT_CONTEXT, parent.inner)
    return this.#propagator.extract(ROOT_CONTEXT, parent, defaultTextMapGetter)
  }
}

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
}

/** A sampled span. */
class OpenTelemetrySpan implements Span {
  readonly inner: OtelSpan

  constructor(inner: OtelSpan) {
    this.inner = inner
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.inner.spanContext()
    return `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`
  }

  setAttributes(attributes: SpanAttributes): void {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== undefined) this.inner.setAttribute(name, value)
    }
  }

  addLink(other: Span): void {
    this.inner.addLink({ context: (other as OpenTelemetrySpan).inner.spanContext() })
  }

  fail(type: string): void {
    this.inner.setAttribute('error.type', type)
    this.inner.setStatus({ code: SpanStatusCode.ERROR })
  }

  end(): void {
    this.inner.end()
  }
}
