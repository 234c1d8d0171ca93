import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import { CALLER_SPAN, callerContext, type ReceivedSpan } from '../../support/collector.ts'
import { givenCollector } from '../../support/given-tracing.ts'
import { descriptor, GrpcClient } from '../../support/grpc-client.ts'
import { framed, Http2Client } from '../../support/http2-client.ts'
import { frameOf, RespClient } from '../../support/resp-client.ts'
import { type Store, startStore } from '../../support/store.ts'

const POLICY = { capacity: 100, refillTokens: 1 }

const given = givenCollector()
let store: Store
let app: TestApp
let grpc: GrpcClient
beforeAll(async () => {
  store = await startStore()
  app = await TestApp.start(store, { variables: { ...given.collector.variables, GRPC_PORT: '0', RESP_PORT: '0' } })
  grpc = new GrpcClient(app.grpcPort)
})
afterAll(async () => {
  grpc.close()
  await app.close()
  await store.stop()
})

const newTrace = () => randomBytes(16).toString('hex')

/** The spans of a request in a trace of its caller, by their names. */
async function traceOf(spans: number, ask: (context: { traceparent: string }) => Promise<unknown>) {
  const traceId = newTrace()
  await ask(callerContext(traceId))
  const received = await given.collector.traceOf(traceId, spans)
  return Object.fromEntries(received.map(span => [span.name, span])) as Record<string, ReceivedSpan>
}

const post = (path: string, body: object) => (context: { traceparent: string }) =>
  app.client.request('POST', path, body, context)

describe('a traced check', () => {
  it('is a span in the trace of its caller, with the call of the store in it', async () => {
    const trace = await traceOf(2, post('/check', { key: 'user:secret' }))
    const request = trace['POST /check']
    expect(request).toMatchObject({
      parentSpanId: CALLER_SPAN,
      kind: 'server',
      hasFailed: false,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/check',
        'http.response.status_code': 200,
        'url.path': '/check',
        'throttler.key': expect.stringMatching(/^[0-9a-f]{12}$/),
        'throttler.request_id': expect.any(String),
      },
      resource: { 'service.name': 'throttler', 'throttler.role': 'test' },
    })
    expect(trace['redis check']).toMatchObject({ parentSpanId: request?.spanId, kind: 'client', links: [] })
  })

  it('shows no key in any form', async () => {
    const [encoded, key] = ['user%3Asecret', 'user:secret']
    const traceId = newTrace()
    const context = callerContext(traceId)
    for (const path of [`/buckets/${encoded}`, `/config/${encoded}`, `/forward-auth?key=${encoded}`]) {
      await app.client.request('GET', path, undefined, context)
    }
    const shown = JSON.stringify(await given.collector.traceOf(traceId, 4))
    expect([shown.includes(key), shown.includes(encoded)]).toEqual([false, false])
  })

  it.each([
    ['/check/batch', { checks: [{ key: 'a' }, { key: 'b' }, { key: 'c' }] }, 'redis check', 3],
    ['/check/all', { checks: [{ key: 'a' }, { key: 'b' }] }, 'redis check-groups', undefined],
    ['/reservations', { key: 'a' }, 'redis check-groups', undefined],
  ])('at %s has one call of the store', async (path, body, name, size) => {
    const trace = await traceOf(2, post(path, body))
    expect(trace[name]?.parentSpanId).toBe(trace[`POST ${path}`]?.spanId)
    expect(trace[name]?.attributes['db.operation.batch.size']).toBe(size)
  })

  it('shares its call with others of the same turn, and is linked with it', async () => {
    const traces = Array.from({ length: 40 }, newTrace)
    await Promise.all(traces.map(traceId => post('/check', { key: traceId })(callerContext(traceId))))
    const requests = await Promise.all(
      traces.map(async traceId => (await given.collector.traceOf(traceId, 1)).find(({ kind }) => kind === 'server')),
    )
    const ids = new Set(traces)
    const calls = given.collector.spans.filter(({ traceId, kind }) => ids.has(traceId) && kind === 'client')
    expect(calls.length).toBeLessThan(traces.length)
    for (const request of requests) {
      const own = calls.filter(({ parentSpanId, links }) =>
        [parentSpanId, ...links].includes(request?.spanId as string),
      )
      expect(own).toHaveLength(1)
      if (own[0]?.traceId !== request?.traceId) expect(request?.links).toEqual([own[0]?.spanId])
    }
  })

  it('that its caller does not sample is not recorded', async () => {
    const [unsampled, sampled] = [newTrace(), newTrace()]
    await post('/check', { key: 'a' })(callerContext(unsampled, '00'))
    await post('/check', { key: 'a' })(callerContext(sampled))
    await given.collector.traceOf(sampled, 2)
    expect(given.collector.spans.filter(({ traceId }) => traceId === unsampled)).toEqual([])
  })

  it('begins a trace of its own if the context of its caller is malformed', async () => {
    const { headers } = await app.client.request('POST', '/check', { key: 'a' }, { traceparent: '00-1-2-01' })
    const id = headers.get('x-request-id')
    const isOwn = ({ attributes }: ReceivedSpan) => attributes['throttler.request_id'] === id
    const { traceId } = await given.collector.spanWith(isOwn)
    expect(await given.collector.traceOf(traceId, 2)).toEqual([
      expect.objectContaining({ name: 'redis check' }),
      expect.objectContaining({ name: 'POST /check', parentSpanId: undefined }),
    ])
  })

  it('over gRPC has spans like one over HTTP', async () => {
    await app.client.put('rls;edge;ip', POLICY)
    const ask = { domain: 'edge', descriptors: [descriptor('ip', '10.0.0.1')] }
    const trace = await traceOf(2, context => grpc.ask(ask, context))
    const call = trace['envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit']
    expect(call).toMatchObject({
      parentSpanId: CALLER_SPAN,
      kind: 'server',
      attributes: { 'rpc.system.name': 'grpc', 'rpc.response.status_code': 'OK' },
    })
    expect(trace['redis check']?.parentSpanId).toBe(call?.spanId)
  })

  it('over gRPC has a span also if its method does not exist', async () => {
    const client = new Http2Client(app.grpcPort)
    const trace = await traceOf(1, context =>
      client.ask(framed(Buffer.alloc(0)), { ':path': '/a.Service/Method', ...context }),
    )
    client.close()
    expect(trace['_OTHER']).toMatchObject({
      parentSpanId: CALLER_SPAN,
      kind: 'server',
      hasFailed: false,
      attributes: { 'rpc.method': '_OTHER', 'rpc.response.status_code': 'UNIMPLEMENTED' },
    })
  })
})

describe('traced checks over RESP', () => {
  it('that arrive together are one span, with one call of the store in it', async () => {
    const client = await RespClient.connect(app.respPort)
    client.socket.write(Buffer.concat(['x', 'y', 'z'].map(key => frameOf('THROTTLE.CHECK', key))))
    const together = await given.collector.spanWith(({ attributes }) => Number(attributes['throttler.checks']) === 3)
    client.socket.write(frameOf('THROTTLE.CHECK', 'x'))
    const single = await given.collector.spanWith(
      ({ name, attributes }) => name === 'throttle.check' && attributes['throttler.key'] !== undefined,
    )
    client.socket.destroy()
    expect(single).toMatchObject({ kind: 'server', parentSpanId: undefined, hasFailed: false })
    for (const { traceId, spanId } of [together, single]) {
      const spans = await given.collector.traceOf(traceId, 2)
      expect(spans.find(({ name }) => name === 'redis check')?.parentSpanId).toBe(spanId)
    }
  })
})

describe('a traced change', () => {
  const NAMES = { put: 'PUT /config/:key', import: 'POST /config/import' }

  it('is followed from its request through the worker to the process that obeys it', async () => {
    const trace = await traceOf(3, context => app.client.put('user:42', POLICY, context))
    const worker = Object.values(trace).find(({ name }) => name.startsWith('process '))
    expect(trace[NAMES.put]).toMatchObject({ parentSpanId: CALLER_SPAN, kind: 'server' })
    expect(worker).toMatchObject({
      parentSpanId: trace[NAMES.put]?.spanId,
      kind: 'consumer',
      attributes: { 'messaging.system': 'bullmq', 'throttler.command.status': 'applied' },
    })
    expect(trace['obey change']).toMatchObject({ parentSpanId: worker?.spanId, kind: 'consumer' })
  })

  it('leaves nothing of its trace in the history and in the outcome', async () => {
    const put = await traceOf(3, context => app.client.put('user:43', POLICY, context))
    const worker = Object.values(put).find(({ name }) => name.startsWith('process '))
    const { body } = await app.client.get(`/commands/${worker?.attributes['messaging.message.id']}`)
    const history = await app.client.get('/config/user%3A43/history')
    expect(body).toEqual({ id: expect.any(String), key: 'user:43', status: 'applied', version: 1 })
    expect(JSON.stringify([body, history.body])).not.toContain('traceparent')
  })

  it('by an import has a span for each part', async () => {
    const lines = ['a', 'b'].map(key => JSON.stringify({ key, ...POLICY })).join('\n')
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    const traceId = newTrace()
    const ask = { ...headers, ...callerContext(traceId) }
    expect(await app.client.request('POST', '/config/import', lines, ask)).toMatchObject({ status: 200 })
    const spans = await given.collector.traceOf(traceId, 9)
    expect(spans.map(({ name }) => name.replace(/-?\d$/, '')).sort()).toEqual([
      NAMES.import,
      ...Array(4).fill('obey change'),
      ...Array(4).fill('process config'),
    ])
  })
})
