import { describe, expect, it } from '@jest/globals'
import { TracedMethod } from '../../../src/front/traced-method.ts'
import type { Call, Method } from '../../../src/grpc/call.ts'
import type { Status } from '../../../src/grpc/status.ts'
import type { Span, SpanOptions, Tracing } from '../../../src/tracing/tracer.ts'

const PATH = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const CALL = { metadata: { traceparent: TRACEPARENT }, ip: '192.0.2.1' } as unknown as Call
const REFUSED: Status = { name: 'UNAUTHENTICATED', message: 'a token is missing' }
const FAILED: Status = { name: 'UNAVAILABLE', message: 'too many attempts' }

/** What a method that admits so says of its spans. */
function given(admit: Method['admit']) {
  const spans: unknown[] = []
  const startSpan = (name: string, options: SpanOptions): Span => {
    const seen: Record<string, unknown> = { name, ...options }
    return {
      traceparent: TRACEPARENT,
      setAttributes: attributes => Object.assign(seen, attributes),
      addLink: () => undefined,
      fail: type => Object.assign(seen, { failed: type }),
      end: () => spans.push(seen),
    }
  }
  const tracing: Tracing = { tracer: { startSpan, close: async () => undefined }, spans: new WeakMap() }
  const method: Method = { name: 'ShouldRateLimit', ...(admit && { admit }), answer: () => undefined }
  return { spans, method: new TracedMethod(PATH, method, tracing) }
}

describe('a traced method', () => {
  it.each([
    ['at once', () => REFUSED],
    ['later', async () => REFUSED],
  ])('has a span for a call that is refused %s, before its message', async (_, admit) => {
    const { method, spans } = given(admit)
    expect(await method.admit(CALL)).toBe(REFUSED)
    expect(spans).toEqual([
      {
        name: PATH.slice(1),
        kind: 'server',
        parent: { traceparent: TRACEPARENT, tracestate: undefined },
        'rpc.system.name': 'grpc',
        'rpc.method': PATH.slice(1),
        'rpc.response.status_code': 'UNAUTHENTICATED',
        'client.address': '192.0.2.1',
      },
    ])
  })

  it('marks the span of a refusal as failed if the service is in trouble', async () => {
    const { method, spans } = given(() => FAILED)
    await method.admit(CALL)
    expect(spans).toMatchObject([{ failed: 'UNAVAILABLE' }])
  })

  it.each([
    ['at once', () => undefined],
    ['later', async () => undefined],
    ['without being asked', undefined],
  ])('has no span yet for a call that is admitted %s', async (_, admit) => {
    const { method, spans } = given(admit)
    expect(await method.admit(CALL)).toBeUndefined()
    expect(spans).toEqual([])
  })
})
