import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { layoutKey } from '../../src/redis/keys.ts'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { blocksUnder } from '../support/documents.ts'
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

  const setUser = (...rules: readonly string[]) => admin.call('ACL', 'SETUSER', 'throttler', ...rules)
  const environment = () => ({ REDIS_URL: server.url.replace('//', '//throttler:password@') })

  async function start(): Promise<[Service, Client]> {
    service = await Service.start({ env: environment() })
    return [service, new Client(service.url)]
  }

  it('has the documented rights can do everything', async () => {
    const [documented = ''] = blocksUnder('docs/security.md', '## The Redis user', 'acl')
    await admin.call('ACL', ...documented.trim().split(' ').slice(1))
    const [service, client] = await start()
    expect((await client.put('a', POLICY)).status).toBe(201)
    expect((await client.check('a')).status).toBe(200)
    expect((await client.request('DELETE', '/buckets/a')).status).toBe(204)
    const lines = ['b', 'c'].map(key => JSON.stringify({ key, ...POLICY })).join('\n')
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    expect((await client.request('POST', '/config/import', lines, headers)).body.status).toBe('applied')
    const { code, output } = await runThrottler(['verify'], environment())
    expect([code, output]).toEqual([0, expect.stringContaining('"clean":true')])
    expect(service.output.filter(line => /NOPERM|"level":[4-6]0/.test(line))).toEqual([])
  })

  it('loses the right to its channel continues, and subscribes again once it has the right', async () => {
    await setUser('on', '>password', '~*', 'allchannels', '+@all')
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

  it.each([
    ['the key of the layout', ['resetkeys', '~throttler:*', '~{throttler:c*', '~{throttler:[bfi]*'], ['~{throttler:*']],
    ['SET, and the layout', ['-set'], ['+set']],
  ])('loses the right to %s is degraded, and its processes start and serve', async (_, lost, restored) => {
    await setUser('on', '>password', '~throttler:*', '~{throttler:*', 'allchannels', '+@all')
    const [service, client] = await start()
    await client.put('a', { capacity: 1, refillTokens: 1, refillIntervalMs: 3_600_000 })
    await setUser(...lost)
    if (lost.includes('-set')) await admin.del(layoutKey('throttler'))
    const degraded = { status: 'degraded', configStore: 'down', reason: 'not-authorized' }
    await eventually(async () => expect((await client.get('/health')).body).toMatchObject(degraded))

    const refused = service.says(/this process serves by the policies that it has loaded/)
    const waiting = service.says(/until it can, this worker applies no changes/)
    for (const title of ['throttler front', 'throttler worker'])
      for (const pid of service.pidsOf(title)) process.kill(pid, 'SIGKILL')
    expect((await refused).input).toMatch(/"reason":"NOPERM [^"\\]+"/)
    expect((await waiting).input).toMatch(/"reason":"NOPERM [^"\\]+"/)
    await eventually(async () => expect((await client.check('a', 0)).body).toMatchObject({ policyVersion: 1 }))
    expect((await client.put('a', POLICY, { prefer: 'respond-async' })).status).toBe(202)

    const accepted = service.says(/the layout of the policy store has been checked/)
    await setUser(...restored)
    await accepted
    await eventually(async () => expect((await client.check('a', 0)).body.limit).toBe(POLICY.capacity))
    await eventually(async () => expect((await client.get('/health')).body.status).toBe('ok'))
    expect(await admin.exists(layoutKey('throttler'))).toBe(1)
    expect(service.output.filter(line => line.includes('cannot start'))).toEqual([])
  })
})
