import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const POLICY = { capacity: 10, refillTokens: 1 }

describeWithRedis('a service whose Redis user', () => {
  let server: RedisServer
  let admin: Redis
  let service: Service | undefined
  beforeEach(async () => {
    server = await RedisServer.start('--appendonly', 'yes')
    admin = new Redis(server.url)
  })
  afterEach(async () => {
    await service?.stop()
    service = undefined
    admin.disconnect()
    await server.stop()
  })

  const setUser = (...rules: readonly string[]) => admin.call('ACL', 'SETUSER', 'service', ...rules)

  async function start(): Promise<[Service, Client]> {
    service = await Service.start({ env: { REDIS_URL: server.url.replace('//', '//service:secret@') } })
    return [service, new Client(service.url)]
  }

  it('loses the right to its channel continues, and subscribes again once it has the right', async () => {
    await setUser('on', '>secret', '~*', 'allchannels', '+@all')
    const [service, client] = await start()
    const pids = service.pids
    const lost = Promise.all([service.says(/changes cannot be subscribed to/), service.says(/cannot be announced/)])
    await setUser('resetchannels')
    expect((await client.put('a', POLICY)).status).toBe(201)
    await lost
    await eventually(async () => expect((await client.check('a')).body.policyVersion).toBe(1))

    const recovered = [service.says(/changes are subscribed to again/), service.says(/changes are announced again/)]
    await setUser('allchannels')
    expect((await client.put('b', POLICY)).status).toBe(201)
    await Promise.all(recovered)
    expect(service.pids).toEqual(pids)
  })
})
