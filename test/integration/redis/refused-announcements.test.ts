import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { TestApp } from '../../support/app.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { RedisServer } from '../../support/redis-server.ts'

const POLICY = { capacity: 10, refillTokens: 1 }

describeWithRedis('a Redis user that may not use the channel of announcements', () => {
  let server: RedisServer
  let admin: Redis
  let app: TestApp
  let log: string[]
  beforeEach(async () => {
    server = await RedisServer.start()
    admin = new Redis(server.url)
    await admin.call('ACL', 'SETUSER', 'service', 'on', '>secret', '~*', 'resetchannels', '+@all')
    const url = server.url.replace('//', '//service:secret@')
    log = []
    const logger = pino({ level: 'warn' }, { write: line => void log.push(JSON.parse(line).msg) })
    app = await TestApp.start({ url, stop: async () => undefined }, { logger })
  })
  afterEach(async () => {
    await app.close()
    admin.disconnect()
    await server.stop()
  })

  it('can change policies: each change ends as applied, once', async () => {
    const answers = [await app.client.put('a', POLICY), await app.client.put('a', { ...POLICY, capacity: 11 })]
    expect(answers.map(({ status, body }) => [status, body.version])).toEqual([
      [201, 1],
      [200, 2],
    ])
    expect((await app.client.check('a')).body.policyVersion).toBe(2)
    expect(log).toContain('changes cannot be announced: they take effect up to a second later')
  })
})
