import { connect as connectSocket, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type AbstractConnector, Redis, type SentinelConnectionOptions, SentinelConnector } from 'ioredis'
import ipaddr from 'ipaddr.js'

/** Interval at which the Sentinels are asked for the master, in ms. What is written to another one meanwhile can be lost. */
const ASK_INTERVAL_MS = 250

/** What the Sentinels have said counts for this long, in ms. */
const FRESH_MS = 2_000

/** If no Sentinel has named the largest epoch for this long, in ms, a smaller one counts: they were set up anew, and begin with the first. */
const EPOCH_LASTS_MS = 60_000

/** The master as a Sentinel names it. Each failover raises the epoch, so the largest one is the newest. */
interface NamedMaster {
  readonly host: string
  readonly port: number
  readonly epoch: number
}

/** The watches of this process. Its connections to one master share a watch. */
const watches = new Map<string, MasterWatch>()

function watchFor(options: SentinelConnectionOptions): MasterWatch {
  const id = JSON.stringify([options.name, options.sentinels])
  const known = watches.get(id)
  if (known !== undefined) return known
  const watch = new MasterWatch(options, () => watches.delete(id))
  watches.set(id, watch)
  return watch
}

/**
 * Moves a connection as soon as the Sentinels name another master. The one before accepts writes for ten more seconds after a failover
 * that was asked for, or until it is reached again after a partition; Sentinel then discards them.
 * @see https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/#sentinel-clients
 */
export function followMaster(redis: Redis): void {
  if (redis.options.sentinels) watchFor(redis.options).follow(redis)
}

/** Connects to the newest master that the Sentinels name. The next one that is asked may not know it yet. */
export class NewestMasterConnector extends SentinelConnector {
  /** @param options of the connection, as ioredis passes them to any connector */
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions)
  }

  override async connect(
    ...[emitter]: Parameters<SentinelConnector['connect']>
  ): ReturnType<AbstractConnector['connect']> {
    const { master } = watchFor(this.options)
    if (master === undefined) return super.connect(emitter)
    this.connecting = true
    const { tls, enableTLSForSentinelMode } = this.options
    const socket = tls && enableTLSForSentinelMode ? connectTls({ ...master, ...tls }) : connectSocket(master)
    this.stream = socket
    return socket
  }
}

/** Asks the Sentinels for the master while connections to it are open. */
class MasterWatch {
  readonly #name: string
  readonly #sentinels: readonly Redis[]
  readonly #followers = new Set<Redis>()
  readonly #onEnd: () => void
  readonly #timer: NodeJS.Timeout
  #named: NamedMaster | undefined
  #namedMs = Number.NEGATIVE_INFINITY

  constructor(options: SentinelConnectionOptions, onEnd: () => void) {
    this.#name = options.name ?? ''
    this.#sentinels = (options.sentinels ?? []).map(endpoint => connectToSentinel(endpoint, options))
    this.#onEnd = onEnd
    this.#timer = setInterval(() => this.#ask(), ASK_INTERVAL_MS).unref()
  }

  /** `undefined` if the Sentinels have not named one lately. */
  get master(): { host: string; port: number } | undefined {
    if (this.#named === undefined || this.#ageMs > FRESH_MS) return undefined
    const { host, port } = this.#named
    return { host, port }
  }

  get #ageMs(): number {
    return performance.now() - this.#namedMs
  }

  follow(redis: Redis): void {
    this.#followers.add(redis)
    redis.once('end', () => this.#leave(redis))
  }

  #leave(redis: Redis): void {
    this.#followers.delete(redis)
    if (this.#followers.size > 0) return
    clearInterval(this.#timer)
    for (const sentinel of this.#sentinels) sentinel.disconnect()
    this.#onEnd()
  }

  #ask(): void {
    for (const sentinel of this.#sentinels) {
      sentinel
        .call('SENTINEL', 'MASTER', this.#name)
        .then(reply => this.#heard(readMaster(reply as string[])))
        .catch(() => undefined)
    }
  }

  #heard(named: NamedMaster): void {
    const before = this.#named
    if (before !== undefined && named.epoch < before.epoch && this.#ageMs < EPOCH_LASTS_MS) return
    this.#named = named
    this.#namedMs = performance.now()
    const isAnother = before !== undefined && (before.host !== named.host || before.port !== named.port)
    for (const follower of this.#followers) {
      if (follower.status === 'ready' && (isAnother || isElsewhere(follower, named))) follower.disconnect(true)
    }
  }
}

function connectToSentinel(endpoint: object, options: SentinelConnectionOptions): Redis {
  const { sentinelUsername, sentinelPassword, sentinelTLS, enableTLSForSentinelMode, sentinelCommandTimeout } = options
  const sentinel = new Redis({
    ...endpoint,
    ...(sentinelUsername !== undefined && { username: sentinelUsername }),
    ...(sentinelPassword !== undefined && { password: sentinelPassword }),
    ...(enableTLSForSentinelMode && sentinelTLS && { tls: sentinelTLS }),
    ...(sentinelCommandTimeout !== undefined && { commandTimeout: sentinelCommandTimeout }),
    enableReadyCheck: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => ASK_INTERVAL_MS,
  })
  // Connections to the master report that the Sentinels are unavailable.
  sentinel.on('error', () => undefined)
  return sentinel
}

/** Reads "name value name value …". */
function readMaster(reply: readonly string[]): NamedMaster {
  const member = (name: string) => reply[reply.indexOf(name) + 1] ?? ''
  return { host: member('ip'), port: Number(member('port')), epoch: Number(member('config-epoch')) }
}

/** Whether a connection is to another server. Of one with a name instead of an address, this cannot be told. */
function isElsewhere({ stream }: Redis, { host, port }: NamedMaster): boolean {
  const { remoteAddress, remotePort } = stream as { remoteAddress?: string; remotePort?: number }
  if (remoteAddress === undefined || isIP(host) === 0) return false
  return remotePort !== port || addressOf(remoteAddress) !== addressOf(host)
}

function addressOf(text: string): string {
  return ipaddr.process(text).toString()
}
