import { connect as connectSocket, isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { type AbstractConnector, Redis, type SentinelConnectionOptions, SentinelConnector } from 'ioredis'
import ipaddr from 'ipaddr.js'
import { MalformedReply } from './transient.ts'

/** Interval at which the Sentinels are asked for the master, in ms. What is written to another one meanwhile can be lost. */
const ASK_INTERVAL_MS = 250

/** A Sentinel that has not answered for this long is connected to again, in ms. */
const SILENT_MS = 1_000

/** What the Sentinels have said counts for this long, in ms. */
const FRESH_MS = 2_000

/** If no Sentinel has named the largest epoch for this long, in ms, a smaller one counts, also if only few name it. */
const EPOCH_LASTS_MS = 60_000

/** How long the first connection waits until most Sentinels have answered the watch, in ms. */
const FIRST_ANSWERS_MS = 500

interface Address {
  readonly host: string
  readonly port: number
}

/** The master as a Sentinel names it. Each failover raises the epoch, so the largest one is the newest. */
interface NamedMaster extends Address {
  readonly epoch: number
}

interface Answer {
  readonly named: NamedMaster
  /** By `performance.now()`. */
  readonly atMs: number
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
  const { options } = redis
  // BullMQ ends a connection that blocks, and connects it again.
  if (options.sentinels) redis.on('connecting', () => watchFor(options).follow(redis))
}

/** Connects to the newest master that the Sentinels name. The next one that is asked may not know it yet. */
export class NewestMasterConnector extends SentinelConnector {
  /** @param options of the connection, as ioredis passes them to any connector */
  constructor(options: unknown) {
    // ioredis gives up for good if it cannot connect to what a Sentinel names.
    super({ ...(options as SentinelConnectionOptions), natMap: requireAddress })
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
  /** The last one of each; the oldest one first. */
  readonly #answers = new Map<Redis, Answer>()
  readonly #followers = new Set<Redis>()
  readonly #onEnd: () => void
  readonly #timer: NodeJS.Timeout
  readonly #firstAnswers: Promise<unknown>
  #mostAnswered = () => {}
  #newest: Answer | undefined

  constructor(options: SentinelConnectionOptions, onEnd: () => void) {
    this.#name = options.name ?? ''
    this.#sentinels = (options.sentinels ?? []).map(endpoint => connectToSentinel(endpoint, options))
    this.#onEnd = onEnd
    const mostAnswered = new Promise<void>(resolve => {
      this.#mostAnswered = resolve
    })
    this.#firstAnswers = Promise.race([mostAnswered, sleep(FIRST_ANSWERS_MS, undefined, { ref: false })])
    this.#timer = setInterval(() => this.#askAll(), ASK_INTERVAL_MS).unref()
    for (const sentinel of this.#sentinels) sentinel.once('ready', () => this.#ask(sentinel))
  }

  /** `undefined` if the Sentinels have not named one lately. */
  async newest(): Promise<Address | undefined> {
    await this.#firstAnswers
    if (this.#newest === undefined || isOld(this.#newest)) return undefined
    const { host, port } = this.#newest.named
    return { host, port }
  }

  follow(redis: Redis): void {
    if (this.#followers.has(redis)) return
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

  #askAll(): void {
    for (const sentinel of this.#sentinels) this.#ask(sentinel)
  }

  /**
   * The Sentinel that leads a failover names the master before it with the new epoch, until all replicas follow the next one. So the address
   * is asked for by itself, after the epoch: one that is later than its epoch does no harm.
   */
  #ask(sentinel: Redis): void {
    const replies = ['MASTER', 'GET-MASTER-ADDR-BY-NAME'].map(question =>
      sentinel.call('SENTINEL', question, this.#name),
    )
    Promise.all(replies)
      .then(([fields, address]) => this.#heard(sentinel, readNamed(fields as string[], address as string[])))
      .catch(() => undefined)
  }

  #heard(sentinel: Redis, named: NamedMaster): void {
    const answer = { named, atMs: performance.now() }
    this.#answers.delete(sentinel)
    this.#answers.set(sentinel, answer)
    const before = this.#newest?.named
    this.#newest = this.#choose(this.#newest ?? answer)
    if (!this.#areFew(this.#answers.size)) this.#mostAnswered()
    const { named: newest } = this.#newest
    const isAnother = before !== undefined && !isSame(before, newest)
    for (const follower of this.#followers) {
      if (follower.status === 'ready' && (isAnother || isElsewhere(follower, newest))) follower.disconnect(true)
    }
  }

  /**
   * The answer with the largest epoch. If Sentinels name different masters with that epoch, or one master by different names, the majority
   * decides; a tie changes nothing. A smaller epoch than before counts if most Sentinels still answer once no answer with a larger one counts
   * any more: Sentinels that were set up again begin with epoch 0.
   */
  #choose(before: Answer): Answer {
    const answers = [...this.#answers.values()].filter(answer => !isOld(answer))
    const epoch = Math.max(...answers.map(({ named }) => named.epoch))
    const later = answers.filter(({ atMs }) => atMs > before.atMs + FRESH_MS)
    const isDoubtful = epoch < before.named.epoch && this.#areFew(later.length)
    if (isDoubtful && performance.now() - before.atMs < EPOCH_LASTS_MS) return before
    const newest = answers.filter(({ named }) => named.epoch === epoch)
    const votesFor = (address: Address) => newest.filter(({ named }) => isSame(named, address)).length
    const most = Math.max(...newest.map(({ named }) => votesFor(named)))
    const leading = newest.filter(({ named }) => votesFor(named) === most)
    return leading.findLast(({ named }) => isSame(named, before.named)) ?? leading.at(-1) ?? before
  }

  #areFew(sentinels: number): boolean {
    return sentinels <= this.#sentinels.length / 2
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
    connectTimeout: SILENT_MS,
    // A connection can fall silent for good without being closed.
    socketTimeout: SILENT_MS,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => ASK_INTERVAL_MS,
  })
  // Connections to the master report that the Sentinels are unavailable.
  sentinel.on('error', () => undefined)
  return sentinel
}

function isSame(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port
}

function isOld({ atMs }: Answer): boolean {
  return performance.now() - atMs > FRESH_MS
}

/** A host, and a port from 1 to 65535. */
const ADDRESS = /^.+:(\d{1,5})$/

/** @throws {MalformedReply} */
function requireAddress(named: string): null {
  const port = Number(ADDRESS.exec(named)?.[1])
  if (port >= 1 && port <= 65_535) return null
  throw new MalformedReply('the Sentinel sent a malformed address of the master')
}

/** @param fields "name value name value …" @throws {MalformedReply} */
function readNamed(fields: readonly string[], [host, port]: readonly string[]): NamedMaster {
  requireAddress(`${host}:${port}`)
  return { host: host as string, port: Number(port), epoch: Number(fields[fields.indexOf('config-epoch') + 1]) || 0 }
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
