import { Agent, type ClientRequest, get, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { GrpcClient } from '../support/grpc-client.ts'
import { isAlive } from '../support/processes.ts'
import { checksIn, fallenIn, growingIn } from '../support/prometheus.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const IS_LONG = process.env['TEST_LONG'] !== undefined
const CALLERS = IS_LONG ? 100 : 40

describeWithRedis('the front processes of an instance', () => {
  let redis: RedisServer
  let api: Service
  let client: Client

  beforeAll(async () => {
    redis = await RedisServer.start()
    api = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url } })
    client = new Client(api.url)
  })
  afterAll(async () => {
    await api.stop()
    await redis.stop()
  })

  it('are replaced on SIGHUP: no request fails, all are new, no counter falls', async () => {
    const before = api.pidsOf('throttler front')
    const ask = (agent: Agent) => checkOver(api.url, agent)
    const callers = Array.from({ length: CALLERS }, (_, i) => new KeepAliveCaller(ask, i % 2 === 0 ? 0 : 1_000))
    const probes = [0, 1].map(() => new KeepAliveCaller(agent => get(`${api.url}/ready`, { agent }), 0))
    const watch = watchCounters(client)
    await sleep(1_500)
    const replaced = api.says(/all front processes are replaced/)
    api.process.kill('SIGHUP')
    await replaced
    await sleep(1_000)
    const answered = (await Promise.all(callers.map(caller => caller.stop()))).reduce((a, b) => a + b)
    await Promise.all(probes.map(probe => probe.stop()))
    const { falls, scrapes } = await watch()
    if (IS_LONG) process.stderr.write(`SIGHUP: ${answered} requests, ${scrapes} scrapes\n`)

    expect([...callers, ...probes].flatMap(({ failures }) => failures)).toEqual([])
    expect(falls).toEqual([])
    expect(scrapes).toBeGreaterThan(5)
    const after = api.pidsOf('throttler front')
    expect(after).toHaveLength(2)
    expect(after.filter(pid => before.includes(pid))).toEqual([])
    expect(checksIn((await client.get('/metrics')).text)).toBe(answered)
  })

  it('are replaced without a word of it to those who watch the health over gRPC, and who hear of the stop', async () => {
    const service = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url, GRPC_PORT: '0' } })
    const watching = watchHealth(service)
    await eventually(() => expect(watching.states).toEqual(['SERVING']))
    const replaced = service.says(/all front processes are replaced/)
    service.process.kill('SIGHUP')
    await replaced
    await watching.ended
    expect(watching.states).toEqual(['SERVING'])
    const watchingAgain = watchHealth(service)
    await eventually(() => expect(watchingAgain.states).toEqual(['SERVING']))
    expect(await service.stop()).toBe(0)
    await watchingAgain.ended
    expect(watchingAgain.states).toEqual(['SERVING', 'NOT_SERVING'])
  })

  it('that hang are detected and replaced, and a connection that was being passed to one is closed', async () => {
    const [victim = 0, other] = api.pidsOf('throttler front')
    const killed = api.says(/a process hangs and is killed/)
    process.kill(victim, 'SIGSTOP')
    // Each on a connection of its own: one that is open already may be to the process that hangs.
    const callers = Array.from({ length: 6 }, () => answered(checkOver(api.url, new Agent())))
    await killed
    const ends = await Promise.allSettled(callers)
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    await eventually(() => {
      expect(isAlive(victim)).toBe(false)
      expect(api.pidsOf('throttler front')).toHaveLength(2)
    })
    expect(api.pidsOf('throttler front')).toContain(other)
    await eventually(async () => expect((await client.check('after')).body.source).toBe('redis'))
  })

  it('answer requests that wait for an outcome before they end', async () => {
    const waiting = client.request(
      'PUT',
      '/config/nobody-applies',
      { capacity: 1, refillTokens: 1 },
      { prefer: 'wait=60' },
    )
    const admin = new Redis(redis.url)
    await eventually(async () => {
      const queued = await Promise.all([0, 1, 2, 3].map(n => admin.llen(`{throttler:config-${n}}:config-${n}:wait`)))
      expect(queued.toSorted()).toEqual([0, 0, 0, 1])
    })
    admin.disconnect()
    const start = performance.now()
    expect(await api.stop()).toBe(0)
    expect((await waiting).status).toBe(202)
    expect(performance.now() - start).toBeLessThan(promised(5_000))
  })
})

/** A caller with one keep-alive connection at a time, which pauses between its requests. */
class KeepAliveCaller {
  readonly failures: string[] = []
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #ask: (agent: Agent) => ClientRequest
  readonly #restMs: number
  readonly #done: Promise<number>
  #stopped = false

  constructor(ask: (agent: Agent) => ClientRequest, restMs: number) {
    this.#ask = ask
    this.#restMs = restMs
    this.#done = this.#run()
  }

  /** Resolves with the number of answers with 200. */
  async stop(): Promise<number> {
    this.#stopped = true
    const answered = await this.#done
    this.#agent.destroy()
    return answered
  }

  async #run(): Promise<number> {
    let successes = 0
    while (!this.#stopped) {
      const status = await answered(this.#ask(this.#agent)).catch(String)
      if (status === 200) successes++
      else this.failures.push(String(status))
      await sleep(this.#restMs === 0 ? 20 : this.#restMs * (1 + 2 * Math.random()))
    }
    return successes
  }
}

function checkOver(url: string, agent: Agent): ClientRequest {
  const check = request(`${url}/check`, { method: 'POST', agent, headers: { 'content-type': 'application/json' } })
  check.end('{"key": "busy", "tokens": 0}')
  return check
}

/** Resolves with the status. Rejects if there is no answer. */
function answered(request: ClientRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    request.on('response', response => response.resume().on('end', () => resolve(response.statusCode ?? 0)))
    request.on('error', reject)
  })
}

/** What a client that watches the health over gRPC is told, until its connection ends. */
function watchHealth({ grpcPort }: Service) {
  const client = new GrpcClient(grpcPort)
  const states: string[] = []
  const watch = client.watchHealth()
  watch.on('data', ({ status }) => states.push(status))
  const ended = new Promise<void>(resolve => watch.on('error', () => resolve())).then(() => client.close())
  return { states, ended }
}

/** Scrapes continuously. Returns a function that stops this and resolves with the counters that fell between two scrapes. */
function watchCounters(client: Client) {
  const falls: string[] = []
  let scrapes = 0
  let stopped = false
  let last = new Map<string, number>()
  const watching = (async () => {
    while (!stopped) {
      const { status, text } = await client.get('/metrics')
      if (status !== 200) falls.push(`${status} ${text}`)
      const counters = growingIn(text)
      falls.push(...fallenIn(last, counters))
      last = counters
      scrapes++
      await sleep(50)
    }
  })()
  return async () => {
    stopped = true
    await watching
    return { falls, scrapes }
  }
}
