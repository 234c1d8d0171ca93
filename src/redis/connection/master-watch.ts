import { connect as connectSocket, isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { type AbstractConnector, Redis, type SentinelConnectionOptions, SentinelConnector } from 'ioredis'
import ipaddr from 'ipaddr.js'

/** Interval at which the Sentinels are asked for the master, in ms. What is written to another one meanwhile can be lost. */
const ASK_INTERVAL_MS = 250

/** What the Sentinels have said counts for this long, in ms. */
const FRESH_MS = 2_000

/** If no Sentinel has named the largest epoch for this long, in ms, a smaller one counts: they were set up anew, and begin with the first. */
const EPOCH_LASTS_MS = 60_000

/** How long the first connection waits for what the Sentinels say to the watch, in ms. */
const FIRST_ANSWER_MS = 500

interface Address {
  readonly host: string
  readonly port: number
}

/** The master as a Sentinel names it. Each failover raises the epoch, so the largest one is the newest. */
interface NamedMaster extends Address {
  readonly epoch: number
}

/** What each connection was opened to, since a socket does not tell the name that led to its address. */
const targets = new WeakMap<object, Address>()

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
    this.connecting = true
    const master = await watchFor(this.options).newest()
    if (!this.connecting) throw new Error('the connection was closed before it was opened')
    if (master === undefined) return super.connect(emitter)
    const { tls, enableTLSForSentinelMode } = this.options
    const socket = tls && enableTLSForSentinelMode ? connectTls({ ...master, ...tls }) : connectSocket(master)
    targets.set(socket, master)
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
  readonly #firstAnswer: Promise<unknown>
  #answered = () => {}
  #named: NamedMaster | undefined
  #namedMs = Number.NEGATIVE_INFINITY

  constructor(options: SentinelConnectionOptions, onEnd: () => void) {
    this.#name = options.name ?? ''
    this.#sentinels = (options.sentinels ?? []).map(endpoint => connectToSentinel(endpoint, options))
    this.#onEnd = onEnd
    const answered = new Promise<void>(resolve => {
      this.#answered = resolve
    })
    this.#firstAnswer = Promise.race([answered, sleep(FIRST_ANSWER_MS, undefined, { ref: false })])
    this.#timer = setInterval(() => this.#ask(), ASK_INTERVAL_MS).unref()
    for (const sentinel of this.#sentinels) sentinel.once('ready', () => this.#askOne(sentinel))
  }

  /** `undefined` if the Sentinels have not named one lately. */
  async newest(): Promise<Address | undefined> {
    await this.#firstAnswer
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
    for (const sentinel of this.#sentinels) this.#askOne(sentinel)
  }

  #askOne(sentinel: Redis): void {
    sentinel
      .call('SENTINEL', 'MASTER', this.#name)
      .then(reply => this.#heard(readMaster(reply as string[])))
      .catch(() => undefined)
  }

  #heard(named: NamedMaster): void {
    const before = this.#named
    if (before !== undefined && this.#ageMs < lastsMs(before, named)) return
    this.#named = named
    this.#answered()
    this.#namedMs = performance.now()
    const isAnother = before !== undefined && !isSame(before, named)
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

/** How long a master counts since it was named, although a Sentinel names another one, in ms. The same one may have two names. */
function lastsMs(master: NamedMaster, other: NamedMaster): number {
  if (other.epoch < master.epoch) return EPOCH_LASTS_MS
  return other.epoch === master.epoch && !isSame(other, master) ? FRESH_MS : 0
}

function isSame(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port
}

/** Reads "name value name value …". */
function readMaster(reply: readonly string[]): NamedMaster {
  const member = (name: string) => reply[reply.indexOf(name) + 1] ?? ''
  return { host: member('ip'), port: Number(member('port')), epoch: Number(member('config-epoch')) }
}

/** Whether a connection is to another server. Of one that the watch did not open, this is seen only by an address. */
function isElsewhere({ stream }: Redis, named: NamedMaster): boolean {
  const target = targets.get(stream)
  if (target !== undefined) return !isSame(target, named)
  const { remoteAddress, remotePort } = stream as { remoteAddress?: string; remotePort?: number }
  if (remoteAddress === undefined || isIP(named.host) === 0) return false
  return remotePort !== named.port || addressOf(remoteAddress) !== addressOf(named.host)
}

function addressOf(text: string): string {
  return ipaddr.process(text).toString()
}
