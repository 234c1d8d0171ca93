/** What the service needs of tracing. OpenTelemetry provides it; where nothing is traced, there is no tracer at all. */
export interface Tracer {
  /** Starts a span; `undefined` if its trace is not sampled. */
  startSpan(name: string, options: SpanOptions): Span | undefined
  /** Sends what has ended, within a bounded time, and ends the tracer. */
  close(): Promise<void>
}

/** @see https://opentelemetry.io/docs/concepts/signals/traces/#span-kind */
export type SpanKindName = 'server' | 'client' | 'consumer' | 'internal'

export interface SpanOptions {
  readonly kind: SpanKindName
  /** What the span is a part of. Without one, it begins a trace. */
  readonly parent?: Span | TraceContext
}

/** Names by OpenTelemetry's conventions where it has one; others begin with `throttler.`. `undefined` leaves an attribute out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

/** A span elsewhere, as fields of a header. @see https://www.w3.org/TR/trace-context/ */
export interface TraceContext {
  readonly traceparent?: string | string[] | undefined
  readonly tracestate?: string | string[] | undefined
}

export interface Span {
  /** For those who continue the trace elsewhere. */
  readonly traceparent: string
  setAttributes(attributes: SpanAttributes): void
  /** Refers to a span that this one shares work with. */
  addLink(other: Span): void
  /** Marks the work as failed. @param type why, in one of few words */
  fail(type: string): void
  end(): void
}

/** The spans of calls under way, by the objects that stand for the calls. */
export type CallSpans = WeakMap<object, Span>

export interface Tracing {
  readonly tracer: Tracer
  readonly spans: CallSpans
}
