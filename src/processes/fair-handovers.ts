import type { ChildProcess } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SharedBound } from '../connections/shared-bound.ts'
import { RareFirstQueue } from '../lib/rare-first-queue.ts'
import { HandoverChannel, type HandoverOwner, type NewConnection } from './handover-channel.ts'

/** Turns of the event loop after which a flood of connections delays the end of handovers no longer. */
const MAX_TURNS = 1_000

/** A connection that waits for a process. */
interface Waiting {
  readonly connection: NewConnection
  /** Closes it: too many wait. */
  readonly refuse: () => void
}

/** A listening address. */
interface Listener {
  readonly waiting: RareFirstQueue<Waiting>
  /** The processes that listen. The one that was given a connection the longest ago comes first. */
  readonly channels: Set<HandoverChannel>
}

interface FairHandoversOptions {
  /** Connections that may wait. Beyond that, the oldest one of the client with the most is closed. */
  readonly maxWaiting: number
  /** A connection was closed because too many wait. */
  readonly onRefused: () => void
  /** A connection was closed because it did not arrive in its process. */
  readonly onLost: () => void
}

/**
 * Shares new connections among the front processes, each of which takes one in a turn of its event loop. Clients take turns, so a flood of
 * connections from one address does not delay those of others.
 */
export class FairHandovers {
  readonly #listeners = new Map<string, Listener>()
  readonly #channels = new WeakMap<ChildProcess, HandoverChannel>()
  /** Processes that get no more connections, with what to call once each has all of its own. */
  readonly #ending = new Map<HandoverChannel, () => void>()
  readonly #waiting: SharedBound
  /** How many connections have arrived so far. */
  #arrived = 0
  readonly #onRefused: () => void
  readonly #owner: HandoverOwner

  constructor({ maxWaiting, onRefused, onLost }: FairHandoversOptions) {
    this.#waiting = new SharedBound(maxWaiting)
    this.#onRefused = onRefused
    this.#owner = {
      listens: (channel, address) => this.#listens(channel, address),
      listensNoMore: (channel, address) => this.#leave(channel, address),
      arrived: connection => this.#wait(connection),
      ended: (connection, channel, isTaken) => this.#ended(connection, channel, isTaken),
      lost: onLost,
      gone: channel => {
        for (const address of this.#listeners.keys()) this.#leave(channel, address)
        this.#reportEnded()
      },
    }
  }

  /** Hands connections over to a new process as well, once it listens. */
  include(child: ChildProcess): void {
    this.#channels.set(child, new HandoverChannel(child, this.#owner))
  }

  /** Hands no more connections over to a process, except those that wait if no other one listens. Resolves once it has taken them. */
  async end(child: ChildProcess): Promise<void> {
    await this.#allAccepted()
    const channel = this.#channels.get(child) as HandoverChannel
    for (const [address, { channels }] of this.#listeners) {
      if (!channels.has(channel)) continue
      channel.acceptNoMore(address)
      if (channels.size > 1) channels.delete(channel)
    }
    return new Promise(resolve => {
      this.#ending.set(channel, resolve)
      this.#reportEnded()
    })
  }

  #listens(channel: HandoverChannel, address: string): void {
    const listener = this.#listeners.get(address) ?? { waiting: new RareFirstQueue(), channels: new Set() }
    this.#listeners.set(address, listener)
    listener.channels.add(channel)
    this.#passNext(listener, address)
  }

  /** Without a process that listens, node:cluster closes the listening address as well. */
  #leave(channel: HandoverChannel, address: string): void {
    const listener = this.#listeners.get(address)
    if (!listener?.channels.delete(channel) || listener.channels.size > 0) return
    this.#listeners.delete(address)
    for (const waiting of listener.waiting.takeAll()) {
      this.#waiting.release(waiting.connection.client, waiting.refuse)
      waiting.connection.close()
    }
  }

  #wait(connection: NewConnection): void {
    this.#arrived++
    const { client } = connection
    const listener = this.#listeners.get(connection.listener)
    if (listener === undefined) {
      connection.close()
      return
    }
    const waiting = { connection, refuse: () => this.#refuse(waiting) }
    listener.waiting.add(client, waiting, performance.now())
    this.#waiting.hold(client, waiting.refuse, 1)
    this.#passNext(listener, connection.listener)
  }

  #refuse(waiting: Waiting): void {
    const { connection } = waiting
    this.#listeners.get(connection.listener)?.waiting.delete(connection.client, waiting)
    connection.close()
    this.#onRefused()
  }

  #ended(connection: NewConnection, channel: HandoverChannel, isTaken: boolean): void {
    if (!isTaken) {
      // The process no longer listens.
      this.#leave(channel, connection.listener)
      this.#wait(connection)
    }
    const listener = this.#listeners.get(connection.listener)
    if (listener !== undefined) this.#passNext(listener, connection.listener)
    this.#reportEnded()
  }

  /** Resolves once node:cluster has accepted what the kernel holds: one connection of each address in a turn of the event loop. */
  async #allAccepted(): Promise<void> {
    await nextTurn()
    for (let turns = 0, before = -1; turns < MAX_TURNS && before < this.#arrived; turns++) {
      before = this.#arrived
      await nextTurn()
    }
  }

  #reportEnded(): void {
    for (const [channel, report] of this.#ending) {
      if (!this.#hasAll(channel)) continue
      this.#ending.delete(channel)
      report()
    }
  }

  /** Whether a process has taken all that it gets, now that no more connections are accepted for it. */
  #hasAll(channel: HandoverChannel): boolean {
    if (!channel.isIdle) return false
    return [...this.#listeners.values()].every(({ channels, waiting }) => waiting.size === 0 || !channels.has(channel))
  }

  #passNext({ waiting, channels }: Listener, address: string): void {
    for (const channel of channels) {
      if (waiting.size === 0) return
      if (!channel.isFree(address)) continue
      const next = waiting.take() as Waiting
      this.#waiting.release(next.connection.client, next.refuse)
      channels.delete(channel)
      channels.add(channel)
      channel.pass(next.connection)
    }
  }
}
