import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { descriptor, GrpcClient } from '../support/grpc-client.ts'
import { samplesIn } from '../support/prometheus.ts'
import { Service } from '../support/service.ts'

const COLLECTIONS = 'nodejs_gc_duration_seconds_count'
const AT_ONCE = 32
const CALLS_PER_TURN = 10 * AT_ONCE
/** V8 by itself collects the old generation after some 20,000 calls. */
const MOST_CALLS = 10_000

let service: Service
let grpc: GrpcClient
beforeAll(async () => {
  service = await Service.start({ env: { WEB_CONCURRENCY: '1', GRPC_PORT: '0' } })
  grpc = new GrpcClient(service.grpcPort)
})
afterAll(async () => {
  grpc.close()
  await service.stop()
})

async function collections(): Promise<number> {
  const { text } = await new Client(service.url).get('/metrics')
  const major = [...samplesIn(text)].filter(([name]) => name.startsWith(COLLECTIONS) && name.includes('kind="major"'))
  return major.reduce((sum, [, count]) => sum + count, 0)
}

async function call(count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    const asked = Array.from({ length: AT_ONCE }, (_, i) =>
      grpc.ask({ domain: 'edge', descriptors: [descriptor('remote_address', `10.0.${i}.${sent % 256}`)] }),
    )
    await Promise.all(asked)
  }
}

it('the old generation is collected every few thousand calls, so that no collection takes long', async () => {
  for (let i = 0; i < 2; i++) {
    const before = await collections()
    for (let calls = 0; (await collections()) === before; calls += CALLS_PER_TURN) {
      expect(calls).toBeLessThan(MOST_CALLS)
      await call(CALLS_PER_TURN)
    }
  }
})
