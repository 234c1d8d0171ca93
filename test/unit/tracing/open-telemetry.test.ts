import { afterEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import type { TracingSettings } from '../../../src/settings/tracing.ts'
import { loadTracer } from '../../../src/tracing/load-tracer.ts'
import type { Tracer } from '../../../src/tracing/tracer.ts'
import { Collector } from '../../support/collector.ts'
import { eventually } from '../../support/eventually.ts'
import { HttpServer } from '../../support/http-server.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name]
})

/** A tracer with these variables, and the lines that it logs. */
async function given(variables: Record<string, string>, protocol: TracingSettings['protocol'] = 'http/json') {
  Object.assign(process.env, { OTEL_BSP_SCHEDULE_DELAY: '10', ...variables })
  const lines: { msg: string; reason: string }[] = []
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const tracer = (await loadTracer({ tracing: { protocol }, SHUTDOWN_TIMEOUT_MS: 1_000 }, 'test', logger)) as Tracer
  ends.push(() => tracer.close())
  return { tracer, lines }
}

async function givenCollector() {
  const collector = await Collector.start()
  ends.push(() => collector.stop())
  return collector
}

describe('a tracer', () => {
  it('does not exist without a collector', async () => {
    const logger = pino({ level: 'silent' })
    expect(await loadTracer({ tracing: undefined, SHUTDOWN_TIMEOUT_MS: 1_000 }, 'test', logger)).toBeUndefined()
  })

  it('sends protobuf, with the fields of OTEL_EXPORTER_OTLP_HEADERS', async () => {
    const collector = await givenCollector()
    const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%3D1' }
    const { tracer } = await given(variables, 'http/protobuf')
    tracer.startSpan('a span of protobuf', { kind: 'server' })?.end()
    await tracer.close()
    // On a busy machine, the tracer closes before the collector has received what it sent.
    await eventually(() => expect(collector.requests).toHaveLength(1))
    const [request] = collector.requests
    expect(request).toMatchObject({
      url: '/v1/traces',
      headers: { 'content-type': 'application/x-protobuf', 'api-key': 'a=1' },
    })
    expect(request?.body.includes('a span of protobuf')).toBe(true)
  })

  it('records what OTEL_TRACES_SAMPLER samples, and follows the parent', async () => {
    const collector = await givenCollector()
    const { tracer } = await given({ ...collector.variables, OTEL_TRACES_SAMPLER: 'parentbased_always_off' })
    const parent = (flags: string) => ({ traceparent: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-${flags}` })
    expect(tracer.startSpan('a', { kind: 'server' })).toBeUndefined()
    expect(tracer.startSpan('b', { kind: 'server', parent: parent('00') })).toBeUndefined()
    const span = tracer.startSpan('c', { kind: 'server', parent: parent('01') })
    expect(span?.traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/)
  })

  it('takes the name of the service and other attributes from their variables', async () => {
    const collector = await givenCollector()
    const names = { OTEL_SERVICE_NAME: 'limits', OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=staging' }
    const { tracer } = await given({ ...collector.variables, ...names })
    tracer.startSpan('a', { kind: 'server' })?.end()
    await tracer.close()
    await eventually(() => expect(collector.spans).toHaveLength(1))
    expect(collector.spans[0]?.resource).toMatchObject({
      ...{ 'service.name': 'limits', 'deployment.environment': 'staging', 'throttler.role': 'test' },
      'service.instance.id': expect.any(String),
    })
  })

  it('reports a collector that refuses, within a budget', async () => {
    let refused = 0
    const server = await HttpServer.start((_, response) => {
      refused++
      response.writeHead(400).end()
    })
    ends.push(() => server.stop())
    const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: server.url, OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1' }
    const { tracer, lines } = await given(variables)
    for (let i = 0; i < 10; i++) tracer.startSpan('a', { kind: 'server' })?.end()
    await eventually(() => expect(refused).toBeGreaterThanOrEqual(10))
    await eventually(() => expect(lines.length).toBeGreaterThan(0))
    expect(lines.length).toBeLessThanOrEqual(2)
    expect(lines[0]).toMatchObject({ level: 40, msg: 'traces may be lost', reason: expect.any(String) })
  })

  it('ends though the collector never answers', async () => {
    const server = await HttpServer.start(() => undefined)
    ends.push(() => server.stop())
    const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: server.url, OTEL_EXPORTER_OTLP_TIMEOUT: '1000' }
    const { tracer } = await given(variables)
    tracer.startSpan('a', { kind: 'server' })?.end()
    await expect(tracer.close()).resolves.toBeUndefined()
  })
})
