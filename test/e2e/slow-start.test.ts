import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { writeLongJournal } from '../support/long-journal.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { StoreProxy } from '../support/store-proxy.ts'

const EVENTS = 60_000

it('the service logs no lost connection while the embedded store replays its journal', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'throttler-slow-'))
  await writeLongJournal(dataDir, EVENTS)
  const service = await Service.start({ env: { DATA_DIR: dataDir } })
  try {
    expect((await new Client(service.url).get('/config/k')).body.version).toBe(EVENTS)
    expect(service.output.filter(line => line.includes('is lost'))).toEqual([])
  } finally {
    await service.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
})

describeWithRedis('a bucket store that is far away', () => {
  it('opens no circuit while the connection to it is established', async () => {
    const redis = await RedisServer.start()
    const proxy = await StoreProxy.start(redis.url)
    proxy.latencyMs = 60
    const env = { REDIS_URL: proxy.url, CONFIG_REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '5000' }
    const api = await Service.start({ kind: 'api', env })
    try {
      const replaced = api.says(/all front processes are replaced/)
      api.process.kill('SIGHUP')
      await replaced
      expect(api.output.filter(line => line.includes('the circuit is open'))).toEqual([])
      expect((await new Client(api.url).check('k')).body).toMatchObject({ source: 'redis' })
    } finally {
      await api.stop()
      await proxy.stop()
      await redis.stop()
    }
  })
})
