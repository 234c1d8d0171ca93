import { EventEmitter, once } from 'node:events'
import type { RequestListener } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { parse, parseAllDocuments, type YAMLSeq } from 'yaml'
import { Client } from '../support/client.ts'
import { answerEverything, Envoy, envoyRecipe, faultsIn, HTTP_FILTERS, REPEATED_HEADER } from '../support/envoy.ts'
import {
  aiGatewayParts,
  contourDescriptors,
  recipePolicyKey,
  withAiGatewayParts,
  withIstioParts,
} from '../support/envoy-recipes.ts'
import { eventually } from '../support/eventually.ts'
import { manifestsIn, readYaml } from '../support/kubernetes.ts'
import { describeWithEnvoy } from '../support/programs.ts'
import { recipeBlocks } from '../support/recipe.ts'
import { Service } from '../support/service.ts'

/** Brings the count of tokens from a header of the answer, in place of the gateway, which reads the answer. */
const COUNT_FROM_HEADER = {
  name: 'envoy.filters.http.header_to_metadata',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config',
    response_rules: [
      {
        header: REPEATED_HEADER,
        on_header_present: { metadata_namespace: 'io.envoy.ai_gateway', key: 'llm_total_token', type: 'NUMBER' },
      },
    ],
  },
}

describeWithEnvoy('the configuration of Envoy in the recipe', () => {
  it('is valid for Envoy itself', async () => {
    expect(await faultsIn(envoyRecipe())).toBe('')
  })

  it('is found wrong if it is wrong', async () => {
    const config = envoyRecipe()
    config.setIn([...HTTP_FILTERS, 0, 'typed_config', 'domains'], 'edge')
    expect(await faultsIn(config)).toContain('domains')
  })

  it('is valid for Istio', async () => {
    const config = envoyRecipe()
    withIstioParts(config)
    expect(await faultsIn(config)).toBe('')
  })

  it('is valid for Envoy AI Gateway', async () => {
    const config = envoyRecipe()
    withAiGatewayParts(config)
    expect(await faultsIn(config)).toBe('')
  })
})

/** The application as a model: `/hang` has no answer, that of `/break-off` has no end, `/refuse` fails. */
const MODEL: RequestListener = (request, response) => {
  if (request.url === '/hang') return
  if (request.url === '/break-off') response.write('Hel')
  else if (request.url === '/refuse') response.writeHead(400).end()
  else answerEverything(request, response)
}

describeWithEnvoy('the recipe for Envoy AI Gateway', () => {
  const LIMIT = { capacity: 10_000, refillTokens: 1, refillIntervalMs: 86_400_000, overdraft: true }
  const ESTIMATE = 4_000
  let service: Service
  let client: Client
  let envoy: Envoy
  let arrived: EventEmitter
  beforeAll(async () => {
    service = await Service.start({ env: { WEB_CONCURRENCY: '1', GRPC_PORT: '0', REDIS_TIMEOUT_MS: '4000' } })
    client = new Client(service.url)
    await client.put(recipePolicyKey('envoy-ai-gateway'), LIMIT)
    arrived = new EventEmitter()
    envoy = await Envoy.start({
      grpcPorts: [service.grpcPort],
      application: (request, response) => {
        MODEL(request, response)
        arrived.emit('request')
      },
      edit: config => {
        withAiGatewayParts(config)
        const filters = config.getIn(HTTP_FILTERS) as YAMLSeq
        filters.items.splice(2, 0, config.createNode(COUNT_FROM_HEADER))
      },
    })
  })
  afterAll(async () => {
    await envoy.stop()
    await service.stop()
  })

  const ask = async (user: string, { path = '/', tokens = undefined as number | undefined } = {}) => {
    const count: Record<string, string> = tokens === undefined ? {} : { [REPEATED_HEADER]: String(tokens) }
    return (await fetch(`${envoy.url}${path}`, { headers: { 'x-user-id': user, ...count } })).status
  }
  const remaining = async (user: string) => (await client.get(`/buckets/rls%3Bai%3Buser%3D${user}`)).body.remaining

  it('charges the tokens of an answer after it, and denies requests while there is debt', async () => {
    expect(await ask('ann', { tokens: 30 })).toBe(200)
    await eventually(async () => expect(await remaining('ann')).toBe(9_970))
    expect(await ask('ann', { tokens: 10_000 })).toBe(200)
    await eventually(async () => expect(await ask('ann', { tokens: 1 })).toBe(429))
    expect(await remaining('ann')).toBe(0)
  })

  it('charges the estimate if the client disconnects before the first part', async () => {
    const left = new AbortController()
    const asked = fetch(`${envoy.url}/hang`, { headers: { 'x-user-id': 'bob' }, signal: left.signal })
    await once(arrived, 'request')
    left.abort()
    await expect(asked).rejects.toThrow('aborted')
    await eventually(async () => expect(await remaining('bob')).toBe(10_000 - ESTIMATE))
  })

  it('charges the estimate if the client disconnects before the end of the answer', async () => {
    const { body } = await fetch(`${envoy.url}/break-off`, { headers: { 'x-user-id': 'cy' } })
    const reader = (body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await reader.cancel()
    await eventually(async () => expect(await remaining('cy')).toBe(10_000 - ESTIMATE))
  })

  it('charges nothing for a request that the model, or the service, refuses', async () => {
    expect(await ask('di', { path: '/refuse' })).toBe(400)
    await client.put('rls;ai;user=eve', { mode: 'block' })
    expect(await ask('eve')).toBe(429)
    await client.put('rls;ai;user=eve', LIMIT)
    // What is charged after these answers comes before what is charged after the next.
    for (const user of ['di', 'eve']) {
      expect(await ask(user, { tokens: 5 })).toBe(200)
      await eventually(async () => expect(await remaining(user)).toBe(9_995))
    }
  })
})

describe('the recipe for Contour', () => {
  let service: Service
  let client: Client
  beforeAll(async () => {
    service = await Service.start({ env: { WEB_CONCURRENCY: '1', REDIS_TIMEOUT_MS: '4000' } })
    client = new Client(service.url)
    const once = { capacity: 1, refillTokens: 1, refillIntervalMs: 86_400_000 }
    await client.put(recipePolicyKey('contour'), once)
  })
  afterAll(() => service.stop())

  it.each([
    ['without header fields', '203.0.113.1', {}],
    ['with the plan gold', '203.0.113.2', { 'x-plan': 'gold' }],
    ['with another plan', '203.0.113.3', { 'x-plan': 'other' }],
  ])('limits a client %s', async (_name, address, headers) => {
    const request = { domain: 'contour', descriptors: contourDescriptors(address, headers) }
    expect((await client.request('POST', '/json', request)).body.overallCode).toBe('OK')
    expect((await client.request('POST', '/json', request)).body.overallCode).toBe('OVER_LIMIT')
  })
})

describe('the objects in the recipes', () => {
  const ports = (readYaml('components/protocols/service.yaml') as { spec: { ports: { port: number }[] } }).spec.ports
  const [headless] = [...manifestsIn('components/protocols').values()]

  it('name the Service and the port of the manifests', () => {
    const [contour = ''] = recipeBlocks('contour', 'yaml')
    const [extension] = parseAllDocuments(contour).map(document => document.toJS())
    expect(extension).toMatchObject({
      metadata: { namespace: 'throttler' },
      spec: { services: [{ name: 'throttler', port: 8081 }] },
    })
    expect(ports.map(({ port }) => port)).toContain(8_081)
    expect(JSON.stringify(aiGatewayParts())).toContain(`"${headless?.metadata.name}.throttler.svc.cluster.local"`)
  })

  it('have the configuration of Contour as it reads it', () => {
    const [contour = ''] = recipeBlocks('contour', 'yaml')
    const [, map] = parseAllDocuments(contour).map(document => document.toJS())
    expect(parse(map.data['contour.yaml'])).toEqual({
      rateLimitService: { extensionService: 'throttler/throttler', domain: 'contour', failOpen: true },
    })
  })
})
