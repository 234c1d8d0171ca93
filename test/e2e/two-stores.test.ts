import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const THREE_A_DAY = { capacity: 3, refillTokens: 1, refillIntervalMs: 86_400_000 }

describeWithRedis('a bucket store and a policy store', () => {
  let redis: RedisServer
  let configRedis: RedisServer
  let services: readonly Service[]
  let client: Client

  beforeAll(async () => {
    redis = await RedisServer.start()
    configRedis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    const env = { REDIS_URL: redis.url, CONFIG_REDIS_URL: configRedis.url }
    services = await Promise.all([Service.start({ kind: 'api', env }), Service.start({ kind: 'worker', env })])
    client = new Client(services[0]?.url ?? '')
    expect((await client.put('known:*', THREE_A_DAY)).status).toBe(201)
    await obeyedByAll([client], 'known:x', 'known:*')
  })
  afterAll(async () => {
    await Promise.all(services.map(service => service.stop()))
    await Promise.all([redis.stop(), configRedis.stop()])
  })

  it('are both used by throttler check, whose spending the service sees, and by throttler reset', async () => {
    const variables = { REDIS_URL: redis.url, CONFIG_REDIS_URL: configRedis.url }
    const checked = await runThrottler(['check', 'known:cli', '--tokens', '3'], variables)
    expect([checked.code, JSON.parse(checked.output)]).toMatchObject([0, { policy: 'known:*', remaining: 0 }])
    expect((await client.check('known:cli')).status).toBe(429)
    expect(await runThrottler(['reset', 'known:cli'], variables)).toMatchObject({ code: 0 })
    await eventually(async () => expect((await client.check('known:cli')).status).toBe(200))
    const unavailable = await runThrottler(['check', 'known:cli'], { ...variables, REDIS_URL: 'redis://127.0.0.1:1' })
    expect(unavailable).toMatchObject({
      code: 2,
      complaints: expect.stringMatching(/^throttler check: the bucket store is unavailable: .*\n$/),
    })
  })

  async function expectChangesRefused(withinMs: number): Promise<void> {
    for (const ask of [
      () => client.put('new', THREE_A_DAY),
      () => client.delete('known:*'),
      () => client.get('/config'),
      () => client.get('/config/known%3A*'),
    ]) {
      const start = performance.now()
      const { status, headers, body } = await ask()
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'config-store-unavailable', '1'])
      expect(performance.now() - start).toBeLessThan(promised(withinMs))
    }
  }

  async function expectKnownPolicyEnforced(key: string): Promise<void> {
    const answers = []
    for (let i = 0; i < 4; i++) answers.push(await client.check(key))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429])
    for (const { body } of answers) expect(body).toMatchObject({ policy: 'known:*', policyVersion: 1, source: 'redis' })
  }

  it('fail independently: without the policy store changes are refused at once, and known policies are enforced', async () => {
    await configRedis.kill()
    await expectChangesRefused(1_000)
    await expectKnownPolicyEnforced('known:killed')
    const { body } = await client.get('/health')
    expect(body).toMatchObject({ status: 'degraded', store: 'up', configStore: 'down', circuit: 'closed' })
    expect(body.reason).toBe('connection-lost')
    expect((await client.get('/ready')).status).toBe(200)
    await configRedis.restart()
    await eventually(async () => expect((await client.put('mended', THREE_A_DAY)).status).toBe(201))
  })

  it('fail independently: while the policy store hangs, known policies are enforced and changes are soon refused at once', async () => {
    configRedis.signal('SIGSTOP')
    await expectKnownPolicyEnforced('known:hanging')
    await eventually(() => expectChangesRefused(1_000))
    configRedis.signal('SIGCONT')
    await eventually(async () => expect((await client.put('mended-too', THREE_A_DAY)).status).toBe(201))
  })

  it('fail independently: without the bucket store policies can be changed, and the changes are obeyed', async () => {
    await redis.kill()
    expect((await client.put('changed:*', { capacity: 1, refillTokens: 1, onStoreFailure: 'deny' })).status).toBe(201)
    await eventually(async () => {
      const { status, body } = await client.check('changed:x')
      expect([status, body.code]).toEqual([503, 'store-unavailable'])
    })
    await eventually(async () => {
      // Only checks open the circuit.
      await client.check('changed:x')
      const { body } = await client.get('/health')
      expect(body).toMatchObject({ status: 'degraded', store: 'down', configStore: 'up', circuit: 'open' })
    })
    await redis.restart()
    await eventually(async () => expect((await client.check('changed:x')).body.source).toBe('redis'))
  })
})
