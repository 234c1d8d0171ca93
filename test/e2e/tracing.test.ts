import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { CALLER_SPAN, Collector, callerContext, type ReceivedSpan } from '../support/collector.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url))
const [CHECK, CHANGE] = ['4bf92f3577b34da6a3ce929d0e0e4736', '0af7651916cd43dd8448eb211c80319c']

describe('a service with a collector', () => {
  let collector: Collector
  let code: number | null
  beforeAll(async () => {
    collector = await Collector.start()
    // Nothing is sent before the stop.
    const variables = { ...collector.variables, OTEL_BSP_SCHEDULE_DELAY: '600000', OTEL_SERVICE_NAME: 'limits' }
    const service = await Service.start({ env: { ...variables, WEB_CONCURRENCY: '2' } })
    const client = new Client(service.url)
    await client.put('user:*', { capacity: 5, refillTokens: 1 }, callerContext(CHANGE))
    await client.request('POST', '/check', { key: 'user:42' }, callerContext(CHECK))
    code = await service.stop()
  })
  afterAll(() => collector.stop())

  const named = (pattern: RegExp) => collector.spans.filter(({ name }) => pattern.test(name))
  const only = (pattern: RegExp) => named(pattern)[0] as ReceivedSpan

  it('sends what is left when it stops', () => {
    expect(code).toBe(0)
    expect(collector.requests.map(({ url }) => url)).toEqual(expect.arrayContaining(['/v1/traces']))
    expect(only(/^redis check$/)).toMatchObject({ traceId: CHECK, parentSpanId: only(/^POST \/check$/).spanId })
    expect(only(/^POST \/check$/)).toMatchObject({
      ...{ traceId: CHECK, parentSpanId: CALLER_SPAN },
      resource: { 'service.name': 'limits', 'throttler.role': 'front' },
    })
  })

  it('shows a change from its request through the worker to every front process', () => {
    const [request, work] = [only(/^PUT /), only(/^process /)]
    expect(request).toMatchObject({ traceId: CHANGE, parentSpanId: CALLER_SPAN })
    expect(work).toMatchObject({
      traceId: CHANGE,
      parentSpanId: request.spanId,
      resource: { 'throttler.role': 'worker' },
    })
    const obeying = named(/^obey change$/)
    expect(obeying.map(({ traceId, parentSpanId }) => [traceId, parentSpanId])).toEqual([
      [CHANGE, work.spanId],
      [CHANGE, work.spanId],
    ])
    expect(new Set(obeying.map(({ resource }) => resource['process.pid'])).size).toBe(2)
  })
})

it('a wrong variable of OpenTelemetry stops the start', async () => {
  const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_TRACES_SAMPLER: 'often' }
  const { code, said } = await failToStart('all', variables)
  expect([code, said]).toEqual([1, expect.stringContaining('"OTEL_TRACES_SAMPLER" must be one of always_on,')])
})

it('without a collector, no process loads the SDK of OpenTelemetry', () => {
  const files = readdirSync(join(DIST, 'src/chunks')).map(name => join(DIST, 'src/chunks', name))
  // The library of metrics loads the API anyway.
  const isOfSdk = (file: string) => /node_modules\/@opentelemetry\/(?!api\/)/.test(readFileSync(file, 'utf8'))
  expect(files.filter(isOfSdk)).not.toEqual([])
  const entries = [
    'src/main.js',
    'src/cluster.js',
    'src/server.js',
    'workers/config.worker.js',
    'src/cli.js',
    'src/embedded/store.js',
  ]
  const loaded = new Set<string>()
  for (const entry of entries) load(join(DIST, entry), loaded)
  expect([...loaded].filter(isOfSdk)).toEqual([])
})

/** Adds a file of the build with everything that it loads, except what the door of tracing loads if there is a collector. */
function load(file: string, loaded: Set<string>): void {
  if (loaded.has(file)) return
  loaded.add(file)
  const text = readFileSync(file, 'utf8')
  const isDoor = text.includes('// dist/src/tracing/load-tracer.js')
  const imports = isDoor ? /(?:from|import) "(\.[^"]+\.js)"/g : /(?:from |import |import\()"(\.[^"]+\.js)"/g
  for (const [, path] of text.matchAll(imports)) load(resolve(dirname(file), path as string), loaded)
}
