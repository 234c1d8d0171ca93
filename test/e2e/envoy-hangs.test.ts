import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { Envoy } from '../support/envoy.ts'
import { eventually } from '../support/eventually.ts'
import { describeLongWithEnvoy } from '../support/programs.ts'
import { Service } from '../support/service.ts'

describeLongWithEnvoy('the real Envoy', () => {
  let service: Service
  let envoy: Envoy
  beforeAll(async () => {
    service = await Service.start({ env: { GRPC_PORT: '0' } })
    await new Client(service.url).put('rls;edge;masked_remote_address', { mode: 'block' })
    envoy = await Envoy.start({ grpcPorts: [service.grpcPort], timeout: '600s' })
  })
  afterAll(async () => {
    await envoy.stop()
    await service.stop()
  })

  const statusOf = async () => (await fetch(envoy.url)).status

  it('lets requests pass at once while the service hangs, although it would wait for ten minutes', async () => {
    expect(await statusOf()).toBe(429)
    const pids = service.pids
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    try {
      await eventually(async () => expect(await envoy.healthyInstances()).toBe(0))
      expect(await statusOf()).toBe(200)
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT')
    }
    await eventually(async () => expect(await statusOf()).toBe(429))
  })
})
