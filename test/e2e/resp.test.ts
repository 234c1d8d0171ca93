import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createClient } from '@redis/client'
import { Redis } from 'ioredis'
import { TestApp } from '../support/app.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { blocksUnder } from '../support/documents.ts'
import { eventually } from '../support/eventually.ts'
import { describeLongWithGo, describeWithPythonClients } from '../support/programs.ts'
import { promised } from '../support/promised.ts'
import { replaceAll } from '../support/recipe.ts'
import { RedisServer } from '../support/redis-server.ts'
import { frameOf, type Reply, RespClient } from '../support/resp-client.ts'
import { Service } from '../support/service.ts'

const run = promisify(execFile)
/** A limit that nobody exhausts, and of which nothing refills during a test. */
const ENDLESS = ['999999', '1', '2678400']
const PIPELINE = 16
const CONNECTIONS = 8

/** A client that sends the next pipeline when it has the replies to the last one, and connects again when it is disconnected. */
class Caller {
  allowed = 0
  readonly #port: number
  readonly #pipeline: Buffer
  #isStopped = false
  readonly #ended: Promise<void>

  constructor(port: number, key: string) {
    this.#port = port
    this.#pipeline = Buffer.concat(Array.from({ length: PIPELINE }, () => frameOf('CL.THROTTLE', key, ...ENDLESS)))
    this.#ended = this.#run()
  }

  /** Resolves with the number of allowed commands. */
  async stop(): Promise<number> {
    this.#isStopped = true
    await this.#ended
    return this.allowed
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const client = await RespClient.connect(this.#port).catch(() => undefined)
      if (client === undefined) await sleep(20)
      else await this.#callUntilClosed(client)
    }
  }

  async #callUntilClosed(client: RespClient): Promise<void> {
    while (!this.#isStopped && client.socket.writable) {
      client.socket.write(this.#pipeline)
      const replies = await client.take(PIPELINE).catch(() => client.replies)
      for (const reply of replies) if (Array.isArray(reply) && reply[0] === 0) this.allowed++
      if (replies.length < PIPELINE) break
    }
    client.end()
  }
}

describeWithRedis('the service over RESP', () => {
  let redis: RedisServer
  let service: Service
  let client: Client
  beforeAll(async () => {
    redis = await RedisServer.start()
    const env = { REDIS_URL: redis.url, RESP_PORT: '0', SHUTDOWN_TIMEOUT_MS: '4000' }
    service = await Service.start({ env })
    client = new Client(service.url)
  })
  afterAll(async () => {
    await service.stop()
    await redis.stop()
  })

  it('answers redis-cli as redis-cell documents', async () => {
    const { stdout } = await run('redis-cli', [
      '-p',
      String(service.respPort),
      'CL.THROTTLE',
      'user123',
      '15',
      '30',
      '60',
      '1',
    ])
    expect(stdout.trim().split('\n')).toEqual(['0', '16', '15', '-1', '2'])
  })

  it('answers ioredis, also pipelined', async () => {
    const ioredis = new Redis(service.respPort)
    const pipeline = ioredis.pipeline([1, 2, 3].map(() => ['call', 'CL.THROTTLE', 'ioredis', '15', '30', '60']))
    expect((await pipeline.exec())?.map(([, reply]) => (reply as number[]).slice(0, 3))).toEqual([
      [0, 16, 15],
      [0, 16, 14],
      [0, 16, 13],
    ])
    await ioredis.quit()
  })

  it.each([2, 3] as const)('answers node-redis over RESP%i', async RESP => {
    const nodeRedis = createClient({ url: `redis://127.0.0.1:${service.respPort}`, RESP })
    await nodeRedis.connect()
    const replies = await Promise.all([1, 2].map(() => nodeRedis.sendCommand(['THROTTLE.CHECK', `node-redis-${RESP}`])))
    const remaining = (replies as unknown as Reply[]).map(reply =>
      Array.isArray(reply) ? reply[2] : Object(reply).remaining,
    )
    expect(remaining).toEqual([99, 98])
    await nodeRedis.close()
  })

  describeWithPythonClients('from Python', () => {
    it('answers the recipe for redis-py', async () => {
      const [recipe = ''] = blocksUnder('docs/protocols.md', '### From Python', 'python')
      const { stdout } = await run('python3', ['-c', replaceAll(recipe, { 'port=6380': `port=${service.respPort}` })])
      expect(stdout.trim()).toBe('[1, 1]')
    })

    it.each([2, 3])('describes its commands to redis-py over RESP%i', async protocol => {
      const client = `redis.Redis(port=${service.respPort}, protocol=${protocol}, decode_responses=True)`
      const program = `import redis; print(sorted(${client}.command()["cl.throttle"]["acl_categories"]))`
      const { stdout } = await run('python3', ['-c', program])
      expect(stdout.trim()).toBe("['@fast', '@write']")
    })
  })

  describeLongWithGo('from Go', () => {
    it('answers the recipe for go-redis', async () => {
      const [recipe = ''] = blocksUnder('docs/protocols.md', '### From Go', 'go')
      const cwd = await mkdtemp(join(tmpdir(), 'throttler-go-'))
      await writeFile(join(cwd, 'main.go'), replaceAll(recipe, { ':6380': `:${service.respPort}` }))
      await run('go', ['mod', 'init', 'recipe'], { cwd })
      await run('go', ['get', 'github.com/redis/go-redis/v9@v9.23.0'], { cwd })
      const { stdout } = await run('go', ['run', '.'], { cwd })
      expect(stdout.trim()).toBe('2 <nil>')
      await rm(cwd, { recursive: true })
    }, 600_000)
  })

  it('obeys a policy that overrides CL.THROTTLE within a second, in every process', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => RespClient.connect(service.respPort)))
    const limits = async () => {
      const replies = await Promise.all(
        clients.map(client => client.ask('CL.THROTTLE', 'team:1', '15', '30', '60', '0')),
      )
      return replies.map(reply => (reply as number[])[1])
    }
    expect(await limits()).toEqual([16, 16, 16, 16])
    await client.put('team:*', { capacity: 3, refillTokens: 1 })
    await eventually(async () => expect(await limits()).toEqual([3, 3, 3, 3]), promised(1_000))
    for (const client of clients) client.end()
  })

  describe('under pipelined load', () => {
    const spentOf = (body: { limit: number; remaining: number }) => body.limit - body.remaining
    /** An operator's policy equal to the arguments, so that the bucket can be read over HTTP. */
    const ENDLESS_POLICY = { capacity: 1_000_000, refillTokens: 1, refillIntervalMs: 2_678_400_000 }
    beforeAll(async () => {
      await client.put('load:*', ENDLESS_POLICY)
    })

    it('is replaced on SIGHUP: no command is run without a reply, and a client that reconnects has no error', async () => {
      const callers = Array.from({ length: CONNECTIONS }, () => new Caller(service.respPort, 'load:hup'))
      const ioredis = new Redis(service.respPort)
      let isStopped = false
      const failures: unknown[] = []
      const calling = (async () => {
        while (!isStopped) await ioredis.call('THROTTLE.CHECK', 'load:ioredis').catch(err => failures.push(err))
      })()
      const replaced = service.says(/all front processes are replaced/)
      service.process.kill('SIGHUP')
      await replaced
      isStopped = true
      await calling
      ioredis.disconnect()
      const allowed = (await Promise.all(callers.map(caller => caller.stop()))).reduce((a, b) => a + b)
      expect(failures).toEqual([])
      expect(allowed).toBeGreaterThan(1_000)
      expect(spentOf((await client.get('/buckets/load%3Ahup')).body)).toBe(allowed)
    })

    it('stops on SIGTERM without a lost reply', async () => {
      const callers = Array.from({ length: CONNECTIONS }, () => new Caller(service.respPort, 'load:term'))
      await sleep(500)
      expect(await service.stop()).toBe(0)
      const allowed = (await Promise.all(callers.map(caller => caller.stop()))).reduce((a, b) => a + b)
      const reader = await TestApp.start(
        { url: redis.url, stop: async () => undefined },
        { variables: { KEY_PREFIX: 'throttler' }, worker: false },
      )
      expect(allowed).toBeGreaterThan(100)
      expect(spentOf((await reader.client.get('/buckets/load%3Aterm')).body)).toBe(allowed)
      await reader.close()
    })
  })
})
