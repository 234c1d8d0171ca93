import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { describeWithPm2, Pm2 } from '../support/pm2.ts'
import { descendantsOf, isAlive } from '../support/processes.ts'
import { RedisServer } from '../support/redis-server.ts'

const TEN_A_DAY = { capacity: 10, refillTokens: 1, refillIntervalMs: 86_400_000 }

describeWithPm2('under pm2', () => {
  let redis: RedisServer
  let pm2: Pm2
  let client: Client
  let port: number

  beforeAll(async () => {
    redis = await RedisServer.start()
    port = await freePort()
    client = new Client(`http://127.0.0.1:${port}`)
    pm2 = await Pm2.create({ REDIS_URL: redis.url, PORT: String(port), WEB_CONCURRENCY: '2' })
  })
  afterAll(async () => {
    await pm2.kill()
    await redis.stop()
  })

  async function statuses(): Promise<string[]> {
    const apps = await Promise.all(['throttler-api', 'throttler-worker'].map(name => pm2.app(name)))
    return apps.map(({ pm2_env }) => pm2_env.status)
  }

  it('start ends once both apps report that they are online, and they serve at once', async () => {
    await pm2.run(['start', 'ecosystem.config.cjs'])
    expect(await statuses()).toEqual(['online', 'online'])
    expect((await client.check('first')).body).toMatchObject({ allowed: true, source: 'redis' })
    expect((await client.put('under-pm2', TEN_A_DAY)).status).toBe(201)
    const { pid } = await pm2.app('throttler-api')
    expect(descendantsOf(pid).filter(({ command }) => command.startsWith('throttler front'))).toHaveLength(2)
  })

  it('reload replaces every process', async () => {
    const before = await pm2.app('throttler-api')
    const processes = [before.pid, ...descendantsOf(before.pid).map(({ pid }) => pid)]
    await pm2.run(['reload', 'throttler-api'])
    expect(processes.filter(isAlive)).toEqual([])
    expect((await pm2.app('throttler-api')).pm2_env.status).toBe('online')
    expect((await client.check('first', 0)).body).toMatchObject({ allowed: true, policy: 'default' })
    expect((await client.check('under-pm2')).body).toMatchObject({ policy: 'under-pm2', source: 'redis' })
  })

  it('a killed primary is replaced, together with its processes', async () => {
    const { pid } = await pm2.app('throttler-api')
    const processes = [pid, ...descendantsOf(pid).map(child => child.pid)]
    process.kill(pid, 'SIGKILL')
    await eventually(() => expect(processes.filter(isAlive)).toEqual([]))
    await eventually(async () => expect((await client.check('first', 0)).status).toBe(200))
    await eventually(async () => expect(await statuses()).toEqual(['online', 'online']))
  })

  it('a crash loop has growing pauses, and ends by itself once its cause is removed', async () => {
    await pm2.run(['stop', 'throttler-api'])
    const { restart_time: restartsBefore } = (await pm2.app('throttler-api')).pm2_env
    const squatter = createServer().listen(port, '127.0.0.1')
    await once(squatter, 'listening')
    await pm2.run(['start', 'throttler-api'])
    await eventually(async () => {
      const { exit_code, restart_time, prev_restart_delay } = (await pm2.app('throttler-api')).pm2_env
      expect([exit_code, restart_time]).toEqual([1, expect.any(Number)])
      expect(restart_time).toBeGreaterThan(restartsBefore + 1)
      expect(prev_restart_delay).toBeGreaterThan(100)
    })
    squatter.close()
    await eventually(async () => expect(await statuses()).toEqual(['online', 'online']))
    expect((await client.put('mended', TEN_A_DAY)).status).toBe(201)
  })

  it('stop ends every process with 0 and leaves no connection', async () => {
    const apps = await Promise.all(['throttler-api', 'throttler-worker'].map(name => pm2.app(name)))
    const processes = apps.flatMap(({ pid }) => [pid, ...descendantsOf(pid).map(child => child.pid)])
    await pm2.run(['stop', 'all'])
    expect(processes.filter(isAlive)).toEqual([])
    expect(await statuses()).toEqual(['stopped', 'stopped'])
    expect((await pm2.app('throttler-api')).pm2_env.exit_code).toBe(0)
    const admin = new Redis(redis.url)
    const clients = String(await admin.client('LIST'))
    admin.disconnect()
    expect(clients).not.toContain('name=throttler')
  })
})

describeWithPm2('under pm2, without REDIS_URL in the environment', () => {
  let pm2: Pm2
  beforeAll(async () => {
    pm2 = await Pm2.create({})
  })
  afterAll(() => pm2.kill())

  it('start reports the missing variable, and starts nothing', async () => {
    await expect(pm2.run(['start', 'ecosystem.config.cjs'])).rejects.toMatchObject({
      stderr: expect.stringContaining(`Error: "REDIS_URL" must be set (got nothing). Set it in the environment or in `),
    })
    expect(JSON.parse(await pm2.run(['jlist']))).toEqual([])
  })

  it('the apps start with .env, and can be deleted without it', async () => {
    const redis = await RedisServer.start()
    const port = await freePort()
    const dotenv = join(pm2.directory, '.env')
    await writeFile(dotenv, `REDIS_URL=${redis.url}\nPORT=${port}\nWORKER_METRICS_PORT=0\nWEB_CONCURRENCY=1\n`)
    await pm2.run(['start', 'ecosystem.config.cjs'])
    const { body } = await new Client(`http://127.0.0.1:${port}`).check('first')
    expect(body).toMatchObject({ allowed: true, source: 'redis' })
    await writeFile(dotenv, '')
    await pm2.run(['delete', 'ecosystem.config.cjs'])
    expect(JSON.parse(await pm2.run(['jlist']))).toEqual([])
    await redis.stop()
  })
})
