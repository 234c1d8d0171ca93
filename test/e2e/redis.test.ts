import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const TEN_A_DAY = { capacity: 10, refillTokens: 1, refillIntervalMs: 86_400_000 }

describeWithRedis('apis and workers that are started separately on one Redis', () => {
  let redis: RedisServer
  const services: Service[] = []

  async function start(kind: 'api' | 'worker'): Promise<Service> {
    const service = await Service.start({ kind, env: { REDIS_URL: redis.url } })
    services.push(service)
    return service
  }

  beforeAll(async () => {
    redis = await RedisServer.start()
  })
  afterEach(async () => {
    await Promise.all(services.splice(0).map(service => service.stop()))
  })
  afterAll(() => redis.stop())

  it('find it by the file that names it, as those that one command starts do', async () => {
    const path = join(redis.directory, 'url')
    await writeFile(path, redis.url)
    const service = await Service.start({ env: { REDIS_URL_FILE: path } })
    services.push(service)
    expect((await new Client(service.url).put('by-file', TEN_A_DAY)).status).toBe(201)
  })

  it('share limits and policies', async () => {
    const [first, second] = await Promise.all([start('api'), start('api'), start('worker')])
    const clients = [new Client(first.url), new Client(second.url)] as const
    expect((await clients[0].put('shared', TEN_A_DAY)).status).toBe(201)
    await obeyedByAll(clients, 'shared', 'shared', promised(1_000))

    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => clients[i % 2 ? 1 : 0].check('shared')))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20)

    await clients[1].put('shared', { ...TEN_A_DAY, capacity: 15 })
    for (const client of clients) {
      await eventually(
        async () => expect((await client.check('shared', 0)).body).toMatchObject({ remaining: 5, policyVersion: 2 }),
        promised(1_000),
      )
    }
  })

  it('accept changes while no worker runs, and apply them in order once one does', async () => {
    const api = await start('api')
    const client = new Client(api.url)
    const capacities = [1, 2, 3, 4, 5]
    for (const capacity of capacities) {
      const { status, body, headers } = await client.request('PUT', '/config/patient', { ...TEN_A_DAY, capacity })
      expect([status, body.status, headers.get('location')]).toEqual([202, 'queued', `/commands/${body.commandId}`])
      expect((await client.get(`/commands/${body.commandId}`)).body).toMatchObject({ status: 'queued', key: 'patient' })
    }
    await start('worker')
    await eventually(async () => expect((await client.get('/config/patient')).body.version).toBe(5))
    const versions = await Promise.all(capacities.map(version => client.get(`/config/patient?version=${version}`)))
    expect(versions.map(({ body }) => body.limits[0].capacity)).toEqual(capacities)
  })

  it('end with exit code 0 and leave no connection', async () => {
    const [api, worker] = await Promise.all([start('api'), start('worker')])
    expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0])
    const admin = new Redis(redis.url)
    await eventually(async () => expect(String(await admin.client('LIST'))).not.toContain('name=throttler'))
    admin.disconnect()
  })

  it('start while Redis is unavailable, and recover without a restart', async () => {
    const own = await RedisServer.start()
    await own.kill()
    const [api, worker] = await Promise.all([
      Service.start({ kind: 'api', env: { REDIS_URL: own.url } }),
      Service.start({ kind: 'worker', env: { REDIS_URL: own.url } }),
    ])
    services.push(api, worker)
    const client = new Client(api.url)
    expect((await client.get('/ready')).status).toBe(503)
    expect((await client.check('early')).body).toMatchObject({ allowed: true, source: 'local', degraded: true })
    expect((await client.put('early', TEN_A_DAY)).body).toMatchObject({ code: 'config-store-unavailable' })

    await own.restart()
    await eventually(async () => expect((await client.get('/ready')).status).toBe(200))
    await eventually(async () => expect((await client.check('early')).body.source).toBe('redis'))
    // Each process recovers by itself, and this request may reach another process than those before.
    await eventually(async () => expect((await client.put('early', TEN_A_DAY)).body.version).toBe(1))
    await own.stop()
  })
})
