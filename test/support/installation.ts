import { Redis } from 'ioredis'
import { Client } from './client.ts'
import { RedisServer } from './redis-server.ts'
import { Service } from './service.ts'

interface InstallationOptions {
  /** The number of apis, each as if on its own machine. */
  readonly apis?: number
  /** Variables of every process of the service. */
  readonly env?: Readonly<Record<string, string>>
  /** Variables of the Redis that holds the buckets. */
  readonly redisEnv?: Readonly<Record<string, string>>
}

/** The service as on several machines: a Redis for buckets, a Redis for policies, apis and a worker. */
export class Installation {
  /** The Redis that holds the buckets. */
  readonly redis: RedisServer
  readonly configRedis: RedisServer
  /** The test's own connection to that Redis. */
  readonly admin: Redis
  /** One client for each api. */
  readonly clients: readonly Client[]
  readonly #apis: readonly Service[]
  readonly #worker: Service

  private constructor(redis: RedisServer, configRedis: RedisServer, apis: readonly Service[], worker: Service) {
    this.redis = redis
    this.configRedis = configRedis
    this.admin = new Redis(redis.url, { lazyConnect: true })
    this.admin.on('error', () => undefined)
    this.clients = apis.map(({ url }) => new Client(url))
    this.#apis = apis
    this.#worker = worker
  }

  static async start({ apis = 1, env = {}, redisEnv = {} }: InstallationOptions = {}): Promise<Installation> {
    const [redis, configRedis] = await Promise.all([RedisServer.startWith({ env: redisEnv }), RedisServer.start()])
    const variables = { REDIS_URL: redis.url, CONFIG_REDIS_URL: configRedis.url, ...env }
    const [worker, ...others] = await Promise.all([
      Service.start({ kind: 'worker', env: variables }),
      ...Array.from({ length: apis }, () => Service.start({ kind: 'api', env: variables })),
    ])
    return new Installation(redis, configRedis, others, worker)
  }

  /** The client of the first api. */
  get client(): Client {
    return this.clientOf(0)
  }

  /** The client of a caller. Callers are distributed over the apis in turn. */
  clientOf(caller: number): Client {
    return this.clients[caller % this.clients.length] as Client
  }

  /** Resolves once new processes have taken the place of all front processes. */
  async replaceFronts(): Promise<void> {
    const replaced = this.#apis.map(api => api.says(/all front processes are replaced/))
    for (const api of this.#apis) api.process.kill('SIGHUP')
    await Promise.all(replaced)
  }

  async stop(): Promise<void> {
    this.admin.disconnect()
    await Promise.all([...this.#apis, this.#worker].map(service => service.stop()))
    await Promise.all([this.redis.stop(), this.configRedis.stop()])
  }
}
