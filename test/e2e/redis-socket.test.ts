import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { socketUrl } from '../../src/settings/redis-url.ts'
import { objectsIn, runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const SOCKET = 'redis@1.sock'
const PASSWORD = 'p@ss/word'
const TWO_A_DAY = { capacity: 2, refillTokens: 1, refillIntervalMs: 86_400_000 }

describeWithRedis('a service whose stores listen on Unix sockets only', () => {
  let urls: { readonly REDIS_URL: string; readonly CONFIG_REDIS_URL: string }
  const stores: RedisServer[] = []
  let service: Service
  let client: Client

  /** Starts a Redis without a port. Returns its URL. */
  async function startRedis(): Promise<string> {
    const server = await RedisServer.start('--port', '0', '--unixsocket', SOCKET, '--requirepass', PASSWORD)
    stores.push(server)
    return socketUrl(join(server.directory, SOCKET), PASSWORD)
  }

  beforeAll(async () => {
    urls = { REDIS_URL: await startRedis(), CONFIG_REDIS_URL: await startRedis() }
    service = await Service.start({ env: urls })
    client = new Client(service.url)
  })
  afterAll(async () => {
    await service.stop()
    for (const server of stores) await server.stop()
  })

  it('enforces changes, and shows no password', async () => {
    expect((await client.put('limited', TWO_A_DAY)).status).toBe(201)
    const statuses: number[] = []
    for (let i = 0; i < 3; i++) statuses.push((await client.check('limited')).status)
    expect(statuses).toEqual([200, 200, 429])
    const output = service.output.join('\n')
    expect(output).toContain(`store: redis+unix://***@${stores[0]?.directory}/redis%401.sock`)
    expect(output).not.toMatch(/p@ss|p%40ss/)
  })

  it('is found by the command line', async () => {
    const { code, output } = await runThrottler(['get', 'limited'], urls)
    expect(code).toBe(0)
    expect(objectsIn(output)).toEqual([expect.objectContaining({ key: 'limited', version: 1 })])
  })

  it('connects again after its stores were killed', async () => {
    for (const server of stores) await server.kill()
    await eventually(async () => expect((await client.get('/health')).body.store).toBe('down'))
    for (const server of stores) await server.restart()
    await eventually(async () => expect((await client.check('other')).body.source).toBe('redis'))
    await eventually(async () => expect((await client.put('later', TWO_A_DAY)).status).toBeLessThan(202))
  })
})
