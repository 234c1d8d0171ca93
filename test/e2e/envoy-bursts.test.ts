import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { Envoy } from '../support/envoy.ts'
import { describeLongWithEnvoy } from '../support/programs.ts'
import { Service } from '../support/service.ts'

const CAPACITY = 20

// On a machine that is busy with other suites, a call may fail, whose request then passes.
describeLongWithEnvoy('the real Envoy', () => {
  let service: Service
  let envoy: Envoy
  beforeAll(async () => {
    service = await Service.start({ isPatient: true, env: { GRPC_PORT: '0' } })
    const limit = { capacity: CAPACITY, refillTokens: 1, refillIntervalMs: 86_400_000 }
    await new Client(service.url).put('rls;edge;masked_remote_address', limit)
    envoy = await Envoy.start({ grpcPorts: [service.grpcPort] })
  })
  afterAll(async () => {
    await envoy.stop()
    await service.stop()
  })

  it('passes no more than the limit of a client that sends two thousand requests at once over HTTP/2', async () => {
    const clients = Array.from({ length: 20 }, () => connect(envoy.url))
    const answers = await Promise.all(clients.flatMap(client => Array.from({ length: 100 }, () => statusOf(client))))
    for (const client of clients) client.close()
    expect(answers.filter(status => status === 200)).toHaveLength(CAPACITY)
    expect(answers.filter(status => status === 429)).toHaveLength(2_000 - CAPACITY)
  })
})

async function statusOf(client: ClientHttp2Session): Promise<number> {
  const stream = client.request({ ':path': '/' })
  const [headers] = await once(stream, 'response')
  stream.resume()
  return headers[':status']
}
