import type { ChildProcess } from 'node:child_process'
import { clientOf } from '../lib/client-of.ts'
import { HEARTBEAT_INTERVAL_MS } from './hang-watch.ts'

/** A message between node:cluster and a process. */
interface ClusterMessage {
  /** `newconn` brings a connection to a process. With `close`, a process no longer listens. */
  readonly act?: string
  readonly seq?: number
  /** The `seq` of the message that this one answers. */
  readonly ack?: number
  /** The listening address. */
  readonly key?: string
  /** Why the process cannot listen. */
  readonly errno?: number | null
  /** Whether the process has taken the connection. */
  readonly accepted?: boolean
  /** The message is not from the process. */
  readonly isPretended?: boolean
}

/** Node's own object for a connection, which is undocumented. */
interface Handle {
  close(): void
  getpeername(peer: { address?: string }): unknown
}

/** A connection that was accepted, and that no process has taken yet. */
export class NewConnection {
  /** Where it arrived. */
  readonly listener: string
  readonly client: string
  readonly #message: ClusterMessage
  readonly #handle: Handle

  constructor(message: ClusterMessage, handle: Handle) {
    const peer: { address?: string } = {}
    handle.getpeername(peer)
    this.client = clientOf(peer.address)
    this.listener = message.key ?? ''
    this.#message = message
    this.#handle = handle
  }

  get seq(): number | undefined {
    return this.#message.seq
  }

  sendBy(send: Send): void {
    send(this.#message, this.#handle)
  }

  close(): void {
    this.#handle.close()
  }
}

/** Decides which connection a process gets next. */
export interface HandoverOwner {
  listens(channel: HandoverChannel, listener: string): void
  listensNoMore(channel: HandoverChannel, listener: string): void
  arrived(connection: NewConnection): void
  /** The process has answered, or never will. @param isTaken whether nothing is left to do with the connection */
  ended(connection: NewConnection, channel: HandoverChannel, isTaken: boolean): void
  /** A connection was closed that never arrived, although the process is alive. */
  lost(): void
  gone(channel: HandoverChannel): void
}

type Send = (...args: unknown[]) => boolean

interface Handover {
  readonly connection: NewConnection
  /** Heartbeats from the process since the connection was sent. */
  heartbeats: number
  /** When the last one came, or the connection was sent. */
  sinceMs: number
}

/**
 * Heartbeats without an acknowledgement after which a connection counts as lost. Messages arrive in order, so a process that
 * received the connection acknowledges it before the second heartbeat. A process that hangs sends none.
 */
const HEARTBEATS_UNTIL_LOST = 3

/** Those that follow sooner, in ms, were sent while the primary was paused, and say nothing of what it has sent since. */
const MIN_INTERVAL_MS = HEARTBEAT_INTERVAL_MS / 2

/**
 * Hands new connections over to one process, one at a time for each listening address. node:cluster believes that the process takes each
 * at once, so it keeps none: in its own queue, they would come in the order of their arrival, and nobody would close one that never
 * arrives. That happens if the process dies or has no file descriptors left: then the kernel drops the connection and delivers the rest of
 * the message, which Node discards.
 * @see https://github.com/nodejs/node/blob/v20.x/lib/internal/cluster/round_robin_handle.js
 */
export class HandoverChannel {
  readonly #child: ChildProcess
  readonly #owner: HandoverOwner
  readonly #send: Send
  /** What the process has not acknowledged, by the listening address. */
  readonly #underWay = new Map<string, Handover>()

  constructor(child: ChildProcess, owner: HandoverOwner) {
    this.#child = child
    this.#owner = owner
    this.#send = child.send.bind(child) as Send
    child.send = (...args: unknown[]) => this.#intercept(...args)
    const disconnect = child.disconnect.bind(child)
    child.disconnect = () => {
      disconnect()
      // Node emits this later, and not at all while a connection is under way. Until then, node:cluster would lose connections that it
      // accepts for the process.
      child.emit('disconnect')
    }
    child.on('internalMessage', (message: ClusterMessage) => this.#receive(message))
    child.on('message', ({ type }: { type?: string }) => type === 'alive' && this.#countHeartbeat())
    // All messages of the process have been received by then.
    child.once('close', () => this.#close())
  }

  /** Whether the process has acknowledged all that it got from there. */
  isFree(listener: string): boolean {
    return this.#child.connected && !this.#underWay.has(listener)
  }

  /** Whether the process has acknowledged all that it got. */
  get isIdle(): boolean {
    return this.#underWay.size === 0
  }

  /** Makes node:cluster accept no more connections for the process. Without another one there, it closes the listening address. */
  acceptNoMore(listener: string): void {
    this.#child.emit('internalMessage', { cmd: 'NODE_CLUSTER', act: 'close', key: listener, isPretended: true })
  }

  pass(connection: NewConnection): void {
    this.#underWay.set(connection.listener, { connection, heartbeats: 0, sinceMs: performance.now() })
    connection.sendBy(this.#send)
  }

  #intercept(...args: unknown[]): boolean {
    const [message, handle] = args as [ClusterMessage, Handle]
    if (message.act === 'newconn') {
      this.#pretendTaken(message, handle)
      this.#owner.arrived(new NewConnection(message, handle))
      return true
    }
    const isSent = this.#send(...args)
    const { ack, key, errno } = message
    if (ack !== undefined && key !== undefined && !errno) this.#owner.listens(this, key)
    return isSent
  }

  /** On this, node:cluster would close the connection. It ignores the real acknowledgement. */
  #pretendTaken({ seq }: ClusterMessage, handle: Handle): void {
    handle.close = () => undefined
    this.#child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: seq, accepted: true })
    Reflect.deleteProperty(handle, 'close')
  }

  #receive({ act, key, ack, accepted, isPretended }: ClusterMessage): void {
    if (act === 'close' && key !== undefined && !isPretended) this.#owner.listensNoMore(this, key)
    for (const { connection } of this.#underWay.values()) {
      if (connection.seq === ack) this.#end(connection, accepted === true)
    }
  }

  #countHeartbeat(): void {
    const nowMs = performance.now()
    for (const handover of this.#underWay.values()) {
      if (nowMs - handover.sinceMs < MIN_INTERVAL_MS) continue
      handover.sinceMs = nowMs
      handover.heartbeats++
      if (handover.heartbeats < HEARTBEATS_UNTIL_LOST) continue
      this.#owner.lost()
      this.#end(handover.connection, true)
    }
  }

  #end(connection: NewConnection, isTaken: boolean): void {
    this.#underWay.delete(connection.listener)
    if (isTaken) connection.close()
    this.#owner.ended(connection, this, isTaken)
  }

  /** A process that has stopped in order has left what it did not take; another one may have read some of the connection. */
  #close(): void {
    const isUntouched = this.#child.exitCode === 0
    for (const { connection } of this.#underWay.values()) {
      if (isUntouched) this.#end(connection, false)
      else connection.close()
    }
    this.#underWay.clear()
    this.#owner.gone(this)
  }
}
