import type { Call, Method, Responder } from '../grpc/call.ts'
import type { Status, StatusName } from '../grpc/status.ts'
import type { Span, Tracing } from '../tracing/tracer.ts'

/** How a call ended; `CANCELLED` if its caller has given it up. */
type EndStatus = StatusName | 'CANCELLED'

/** With which the service reports a trouble of its own. @see https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ */
const SERVER_ERRORS: ReadonlySet<EndStatus> = new Set(['INTERNAL', 'UNAVAILABLE'])

/** A method over gRPC with a span for each call that it answers. It continues the trace of the caller. */
export class TracedMethod implements Method {
  readonly name: string
  readonly #path: string
  readonly #method: Method
  readonly #tracing: Tracing

  /** @param path `/package.Service/Method` */
  constructor(path: string, method: Method, tracing: Tracing) {
    this.name = method.name
    this.#path = path.slice(1)
    this.#method = method
    this.#tracing = tracing
  }

  /** A call that is refused has a span of its own, which has no duration. */
  admit(call: Call) {
    const admission = this.#method.admit?.(call)
    if (admission instanceof Promise) return admission.then(status => this.#admitted(call, status))
    return this.#admitted(call, admission)
  }

  #admitted(call: Call, refusal: Status | undefined): Status | undefined {
    const span = refusal && this.#startSpan(call)
    if (span) this.#end(span, call, refusal.name)
    return refusal
  }

  answer(message: Buffer, responder: Responder, call: Call): void {
    const span = this.#startSpan(call)
    if (span === undefined) this.#method.answer(message, responder, call)
    else {
      this.#tracing.spans.set(call, span)
      const watched = new WatchedResponder(responder)
      responder.onClosed(() => this.#end(span, call, watched.status))
      this.#method.answer(message, watched, call)
    }
  }

  #startSpan({ metadata: { traceparent, tracestate } }: Call): Span | undefined {
    return this.#tracing.tracer.startSpan(this.#path, { kind: 'server', parent: { traceparent, tracestate } })
  }

  #end(span: Span, call: Call, status: EndStatus): void {
    span.setAttributes({
      'rpc.system.name': 'grpc',
      'rpc.method': this.#path,
      'rpc.response.status_code': status,
      'client.address': call.ip,
    })
    if (SERVER_ERRORS.has(status)) span.fail(status)
    span.end()
  }
}

/** Knows with which status a call has ended. */
class WatchedResponder implements Responder {
  readonly #responder: Responder
  #status: EndStatus = 'CANCELLED'

  constructor(responder: Responder) {
    this.#responder = responder
  }

  get status(): EndStatus {
    return this.#status
  }

  send(message: Buffer): void {
    this.#responder.send(message)
  }

  finish(message: Buffer): void {
    this.#status = 'OK'
    this.#responder.finish(message)
  }

  end(status: Status): void {
    this.#status = status.name
    this.#responder.end(status)
  }

  onClosed(callback: () => void): void {
    this.#responder.onClosed(callback)
  }
}
