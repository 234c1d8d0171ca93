import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { RedisServer } from './redis-server.ts'

const LOOPBACK = '127.0.0.1'
const SENTINELS = 3
const QUORUM = 2
const DOWN_AFTER_MS = 500

export const MASTER_NAME = 'main'

interface Sentinel {
  readonly port: number
  readonly process: ChildProcess
}

/** A master, its replica, and three Sentinels that watch them. */
export class SentinelSet {
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly #sentinels: readonly Sentinel[]
  readonly #directory: string

  private constructor(servers: readonly [RedisServer, RedisServer], sentinels: readonly Sentinel[], directory: string) {
    ;[this.master, this.replica] = servers
    this.#sentinels = sentinels
    this.#directory = directory
  }

  /** Resolves once the Sentinels know the replica and one another. @param password of the Sentinels themselves */
  static async start(password?: string): Promise<SentinelSet> {
    const args = ['--repl-diskless-sync-delay', '0', '--appendonly', 'yes']
    const master = await RedisServer.start(...args)
    const replica = await RedisServer.start(...args, '--replicaof', `${LOOPBACK} ${master.port}`)
    await synchronized(replica)
    const directory = await mkdtemp(join(tmpdir(), 'throttler-sentinel-'))
    const sentinels = await Promise.all(
      Array.from({ length: SENTINELS }, (_, i) => startSentinel(join(directory, `${i}.conf`), master.port, password)),
    )
    const set = new SentinelSet([master, replica], sentinels, directory)
    await set.#acquainted(password)
    return set
  }

  /** `host:port` of each Sentinel, separated by commas. */
  get hosts(): string {
    return this.#sentinels.map(({ port }) => `${LOOPBACK}:${port}`).join(',')
  }

  get url(): string {
    return `redis+sentinel://${this.hosts}/${MASTER_NAME}`
  }

  /** Has the Sentinels replace the master by its replica. Resolves once they name that. */
  async failOver(): Promise<void> {
    const sentinel = new Redis(this.#sentinels[0]?.port ?? 0, LOOPBACK)
    await sentinel.call('SENTINEL', 'FAILOVER', MASTER_NAME)
    await eventually(async () => {
      const [, port] = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[]
      if (Number(port) !== this.replica.port) throw new Error(`the Sentinel names ${port}`)
    })
    sentinel.disconnect()
  }

  /** Resolves once the replaced master is a replica. */
  async demoted(): Promise<void> {
    const master = new Redis(this.master.url)
    await eventually(async () => {
      const [role] = await master.role()
      if (role !== 'slave') throw new Error(`the server is a ${role}`)
    })
    master.disconnect()
  }

  async stop(): Promise<void> {
    for (const { process } of this.#sentinels) {
      const exited = once(process, 'exit')
      process.kill('SIGKILL')
      await exited
    }
    await Promise.all([this.master.stop(), this.replica.stop()])
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #acquainted(password?: string): Promise<void> {
    for (const { port } of this.#sentinels) {
      const sentinel = new Redis(port, LOOPBACK, password === undefined ? {} : { password })
      await eventually(async () => {
        const info = await sentinel.info('sentinel')
        if (!info.includes(`slaves=1,sentinels=${SENTINELS}`)) throw new Error(`the Sentinel knows only ${info}`)
      })
      sentinel.disconnect()
    }
  }
}

async function synchronized(replica: RedisServer): Promise<void> {
  const redis = new Redis(replica.url)
  await eventually(async () => {
    if (!(await redis.info('replication')).includes('master_link_status:up')) throw new Error('not synchronized')
  })
  redis.disconnect()
}

async function startSentinel(path: string, masterPort: number, password?: string): Promise<Sentinel> {
  const port = await freePort()
  const lines = [
    `port ${port}`,
    `bind ${LOOPBACK}`,
    `sentinel monitor ${MASTER_NAME} ${LOOPBACK} ${masterPort} ${QUORUM}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${MASTER_NAME} 5000`,
    ...(password === undefined ? [] : [`requirepass ${password}`, `sentinel sentinel-pass ${password}`]),
  ]
  await writeFile(path, `${lines.join('\n')}\n`)
  const child = spawn('redis-server', [path, '--sentinel'], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('+monitor master')) break
  child.stdout.resume()
  return { port, process: child }
}
