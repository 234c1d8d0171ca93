import { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { RedisServer } from './redis-server.ts'
import { StoreProxy } from './store-proxy.ts'

const SLOTS = 16_384
const LOOPBACK = '127.0.0.1'

/** No master that a busy machine pauses for a moment counts as dead. */
const NODE_TIMEOUT_MS = 10_000

interface RedisClusterOptions {
  readonly masters?: number
  /** The number of masters, counted from the first, that have a replica. */
  readonly replicas?: number
  /** Time without a heartbeat after which a node counts as dead, in ms. */
  readonly nodeTimeoutMs?: number
  /** Additional arguments of each server. */
  readonly args?: readonly string[]
  /** Whether the servers refuse scripts with flags, as Redis 6.2 does. */
  readonly refusesScriptFlags?: boolean
  /** Default: `redis-server`. */
  readonly program?: string
}

/** One server of a cluster, with a connection of the test's own. */
export interface ClusterNode {
  readonly server: RedisServer
  readonly redis: Redis
  /** Where clients find it. */
  readonly port: number
  readonly proxy: StoreProxy | undefined
  readonly busPort: number
  readonly id: string
}

/** A Redis Cluster of the test's own. The loss of a master takes down only that master's slots. */
export class RedisCluster {
  readonly masters: readonly ClusterNode[]
  readonly replicas: readonly ClusterNode[]

  private constructor(masters: readonly ClusterNode[], replicas: readonly ClusterNode[]) {
    this.masters = masters
    this.replicas = replicas
  }

  /** Resolves once every node knows which node serves which slots. */
  static async start(options: RedisClusterOptions = {}): Promise<RedisCluster> {
    const { masters = 3, replicas = 0 } = options
    const nodes = await Promise.all(Array.from({ length: masters + replicas }, () => startNode(options)))
    const cluster = new RedisCluster(nodes.slice(0, masters), nodes.slice(masters))
    await cluster.#join()
    return cluster
  }

  get url(): string {
    return `redis+cluster://${this.masters.map(({ port }) => `${LOOPBACK}:${port}`).join(',')}`
  }

  get nodes(): readonly ClusterNode[] {
    return [...this.masters, ...this.replicas]
  }

  async stop(): Promise<void> {
    for (const { redis } of this.nodes) redis.disconnect()
    await Promise.all(this.nodes.map(({ server }) => server.stop()))
    await Promise.all(this.nodes.map(({ proxy }) => proxy?.stop()))
  }

  /** Changes `nodeTimeoutMs` of all servers; each must run. */
  async setNodeTimeout(ms = NODE_TIMEOUT_MS): Promise<void> {
    await Promise.all(this.nodes.map(({ redis }) => redis.config('SET', 'cluster-node-timeout', ms)))
  }

  /** Starts a killed server again. */
  async restart({ server, redis, proxy }: ClusterNode): Promise<void> {
    await server.restart()
    if (proxy !== undefined) await announce(proxy, redis)
  }

  /** Resolves once every node knows an owner of each slot. */
  everySlotOwned(): Promise<void> {
    return this.#all(async ({ redis }) =>
      String(await redis.cluster('INFO')).includes(`cluster_slots_assigned:${SLOTS}\r`),
    )
  }

  /** The number of keys on each master. */
  keyCounts(): Promise<number[]> {
    return Promise.all(this.masters.map(({ redis }) => redis.dbsize()))
  }

  /** Moves a slot with all its keys, a few at a time, as `redis-cli --cluster reshard` does. */
  async moveSlot(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
    await to.redis.cluster('SETSLOT', slot, 'IMPORTING', from.id)
    await from.redis.cluster('SETSLOT', slot, 'MIGRATING', to.id)
    for (;;) {
      const keys = (await from.redis.cluster('GETKEYSINSLOT', slot, 10)) as string[]
      if (keys.length === 0) break
      await from.redis.call('MIGRATE', LOOPBACK, to.server.port, '', 0, 5_000, 'KEYS', ...keys)
    }
    for (const { redis } of [to, from, ...this.masters.filter(node => node !== to && node !== from)]) {
      await redis.cluster('SETSLOT', slot, 'NODE', to.id)
    }
  }

  async #join(): Promise<void> {
    const [first, ...others] = this.masters
    if (first === undefined) throw new Error('a cluster has at least one master')
    await Promise.all(this.masters.map((node, i) => this.#addSlots(node, i)))
    for (const { server, busPort } of [...others, ...this.replicas]) {
      await first.redis.call('CLUSTER', 'MEET', LOOPBACK, server.port, busPort)
    }
    await this.#all(async ({ redis }) => String(await redis.cluster('INFO')).includes('cluster_state:ok'))
    await Promise.all(
      this.replicas.map(({ redis }, i) => eventually(() => redis.cluster('REPLICATE', this.masters[i]?.id ?? ''))),
    )
    await eventually(async () => {
      for (const { redis } of this.replicas) {
        if (!(await redis.info('replication')).includes('master_link_status:up')) throw new Error('no replica yet')
      }
    })
    await this.#all(async ({ redis }) => {
      const ranges = (await redis.cluster('SLOTS')) as unknown[][]
      const ports = ranges.flatMap(([, , ...servers]) => (servers as [string, number][]).map(([, port]) => port))
      return ports.length === this.nodes.length && this.nodes.every(({ port }) => ports.includes(port))
    })
  }

  async #addSlots({ redis }: ClusterNode, index: number): Promise<void> {
    const boundary = (n: number) => Math.round((n * SLOTS) / this.masters.length)
    await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
    await redis.cluster('ADDSLOTSRANGE', boundary(index), boundary(index + 1) - 1)
  }

  async #all(holds: (node: ClusterNode) => Promise<boolean>): Promise<void> {
    await eventually(async () => {
      for (const node of this.nodes) {
        if (!(await holds(node))) throw new Error(`the node ${node.server.port} does not know the cluster yet`)
      }
    })
  }
}

async function startNode(options: RedisClusterOptions): Promise<ClusterNode> {
  const { nodeTimeoutMs = NODE_TIMEOUT_MS, args = [], refusesScriptFlags = false, program } = options
  const busPort = await freePort()
  const server = await RedisServer.startWith(
    { program },
    '--cluster-enabled',
    'yes',
    '--cluster-port',
    String(busPort),
    '--cluster-node-timeout',
    String(nodeTimeoutMs),
    '--cluster-require-full-coverage',
    'no',
    '--repl-ping-replica-period',
    '1',
    '--repl-diskless-sync-delay',
    '0',
    ...args,
  )
  const redis = new Redis(server.url, { lazyConnect: false })
  redis.on('error', () => undefined)
  const proxy = refusesScriptFlags ? await announcedProxy(server, redis) : undefined
  const id = String(await redis.cluster('MYID'))
  return { server, redis, port: proxy?.port ?? server.port, proxy, busPort, id }
}

async function announcedProxy(server: RedisServer, redis: Redis): Promise<StoreProxy> {
  const proxy = await StoreProxy.start(server.url)
  proxy.knowsScriptFlags = false
  await announce(proxy, redis)
  return proxy
}

async function announce({ port }: StoreProxy, redis: Redis): Promise<void> {
  await redis.config('SET', 'cluster-announce-port', String(port))
}
