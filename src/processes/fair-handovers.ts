import type { ChildProcess } from 'node:child_process'
import { SharedBound } from '../connections/shared-bound.ts'
import { FairQueue } from '../lib/fair-queue.ts'
import { HandoverChannel, type HandoverOwner, type NewConnection } from './handover-channel.ts'

/** A connection that waits for a process. */
interface Waiting {
  readonly connection: NewConnection
  /** Closes it: too many wait. */
  readonly refuse: () => void
}

/** A listening address. */
interface Listener {
  readonly waiting: FairQueue<Waiting>
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
  readonly #waiting: SharedBound
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
      },
    }
  }

  /** Hands connections over to a new process as well, once it listens. */
  include(child: ChildProcess): void {
    new HandoverChannel(child, this.#owner)
  }

  #listens(channel: HandoverChannel, address: string): void {
    const listener = this.#listeners.get(address) ?? { waiting: new FairQueue(), channels: new Set() }
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
    const { client } = connection
    const listener = this.#listeners.get(connection.listener)
    if (listener === undefined) {
      connection.close()
      return
    }
    const waiting = { connection, refuse: () => this.#refuse(waiting) }
    listener.waiting.add(client, waiting)
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
  }

  #passNext({ waiting, channels }: Listener, address: string): void {
    for (const channel of channels) {
      if (waiting.weight === 0) return
      if (!channel.isFree(address)) continue
      const next = waiting.take() as Waiting
      this.#waiting.release(next.connection.client, next.refuse)
      channels.delete(channel)
      channels.add(channel)
      channel.pass(next.connection)
    }
  }
}
