import type { FastifyReply, FastifyRequest } from 'fastify'
import { bounded, type CallLog } from '../observability/call-log.ts'
import type { Span, Tracing } from '../tracing/tracer.ts'
import type { Access } from './auth.ts'
import type { OnRequest } from './hook.ts'
import { loggedKeys, loggedPath } from './request-line.ts'

interface RequestSpansOptions {
  /** Absent if nothing is traced. */
  readonly tracing: Tracing | undefined
  readonly calls: CallLog
}

/** A span for each request that checks or is for operators. It continues the trace of the caller. */
export class RequestSpans {
  readonly #tracing: Tracing | undefined
  readonly #calls: CallLog

  constructor({ tracing, calls }: RequestSpansOptions) {
    this.#tracing = tracing
    this.#calls = calls
  }

  /** The hooks of a route: none if nothing is traced. */
  hooksFor(access: Access | undefined): readonly OnRequest[] {
    const tracing = this.#tracing
    if (tracing === undefined || access === undefined) return []
    const hook: OnRequest = (request, reply, done) => {
      this.#begin(request, reply, tracing)
      done()
    }
    return [hook]
  }

  /** For what continues the trace of a request elsewhere. */
  traceparentOf(request: FastifyRequest): string | undefined {
    return this.#tracing?.spans.get(request)?.traceparent
  }

  #begin(request: FastifyRequest, reply: FastifyReply, { tracer, spans }: Tracing): void {
    const { method, routeOptions, headers } = request
    const { traceparent, tracestate } = headers
    const span = tracer.startSpan(`${method} ${routeOptions.url}`, {
      kind: 'server',
      parent: { traceparent, tracestate },
    })
    if (span === undefined) return
    spans.set(request, span)
    // Emitted for every request, even if the caller has disconnected.
    reply.raw.once('close', () => this.#end(span, request, reply))
  }

  /** @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span */
  #end(span: Span, request: FastifyRequest, reply: FastifyReply): void {
    const { id, method, routeOptions, protocol, raw, ip, actor } = request
    const isSent = reply.raw.writableFinished
    span.setAttributes({
      'http.request.method': method,
      'http.route': routeOptions.url,
      'http.response.status_code': isSent ? reply.statusCode : undefined,
      'url.path': loggedPath(request, this.#calls),
      'url.scheme': protocol,
      'network.protocol.version': raw.httpVersion,
      'client.address': bounded(ip),
      'throttler.actor': actor,
      'throttler.key': loggedKeys(request, this.#calls),
      'throttler.request_id': id,
    })
    if (!isSent) span.fail('aborted')
    else if (reply.statusCode >= 500) span.fail(String(reply.statusCode))
    span.end()
  }
}
