import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { OperatorError } from '../lib/operator-error.ts'
import type { Logger } from '../observability/logger.ts'
import { exitOf, sendTo } from './child-process.ts'
import { watchForHang } from './hang-watch.ts'
import type { FromChild, ToChild } from './messages.ts'
import { type ReplacementReason, reasonOfExit } from './replacement-reason.ts'

const MIN_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5_000
/** Uptime after which a process is no longer considered to be in a crash loop, in ms. */
const STABLE_AFTER_MS = 10_000

/** The process reported why it cannot start. */
export class CannotStart extends OperatorError {}

interface SupervisedProcessOptions {
  readonly name: string
  /** Starts the process with an IPC channel. */
  spawn(): ChildProcess
  readonly logger: Logger
  /** How long a graceful stop may take before the process is killed, in ms. */
  readonly stopTimeoutMs: number
}

interface SupervisedProcessEvents {
  /** A process was started. It receives messages once it has loaded. */
  spawned: [ChildProcess]
  message: [FromChild, ChildProcess]
  /** A process has exited, and all its messages have been received. */
  gone: [ChildProcess]
  /** A process is replaced by another, now or after a back-off. */
  replaced: [ReplacementReason]
}

/**
 * Keeps one process running. A process that dies is replaced, with exponential back-off in a crash loop. A process whose event loop
 * is blocked is killed.
 */
export class SupervisedProcess extends EventEmitter<SupervisedProcessEvents> {
  readonly #options: SupervisedProcessOptions
  #current: ChildProcess | undefined
  #backoffMs = MIN_BACKOFF_MS
  #respawn: NodeJS.Timeout | undefined
  /** The exits of all running processes: the current one and its predecessors that have not exited yet. */
  readonly #exits = new Map<ChildProcess, Promise<void>>()
  /** Once set, no process is started any more. */
  #isStopped = false
  readonly #ready = new WeakSet<ChildProcess>()
  readonly #hung = new WeakSet<ChildProcess>()
  /** Those that were told to stop. */
  readonly #stopping = new WeakSet<ChildProcess>()
  /** Successors that reported that they cannot start. */
  readonly #unstartable = new WeakSet<ChildProcess>()
  #wasReady = false

  constructor(options: SupervisedProcessOptions) {
    super()
    this.#options = options
  }

  /** Resolves with the `ready` message of the first process; never, if it is stopped before. @throws {CannotStart} */
  start(): Promise<Extract<FromChild, { type: 'ready' }>> {
    return new Promise((resolve, reject) => {
      this.on('message', message => {
        if (message.type === 'ready' && !this.#isStopped) resolve(message)
        if (message.type === 'cannot-start') reject(new CannotStart(message.reason))
      })
      this.#spawn()
    })
  }

  /** The processes that have become ready, also those that are being stopped. */
  get ready(): readonly ChildProcess[] {
    return [...this.#exits.keys()].filter(child => this.#ready.has(child))
  }

  /** The processes that are ready and are not being stopped. */
  get working(): readonly ChildProcess[] {
    return this.ready.filter(child => !this.#stopping.has(child))
  }

  get name(): string {
    return this.#options.name
  }

  get current(): ChildProcess | undefined {
    return this.#current
  }

  send(message: ToChild): void {
    if (this.#current !== undefined) sendTo(this.#current, message)
  }

  /** Starts a successor and, once it is ready, begins to stop the current process. Resolves then; see `whenPredecessorsExited`. */
  async replace(drainMs: number): Promise<void> {
    const predecessor = this.#current
    clearTimeout(this.#respawn)
    const ready = this.#successorReady(predecessor)
    this.#spawn()
    await ready
    // One that has died meanwhile was counted then.
    if (predecessor !== undefined && !this.#exits.has(predecessor)) return
    this.emit('replaced', 'replaced')
    if (predecessor !== undefined) void this.#stop(predecessor, { drainMs, replaced: true })
  }

  /** Starts another process in place of a successor that is not ready. A `replace` that is under way then waits for the new one. */
  restart(child: ChildProcess): void {
    if (this.#isStopped || !this.#wasReady || child !== this.#current || this.#ready.has(child)) return
    this.#spawn()
    this.emit('replaced', 'replaced')
    void this.#stop(child, { drainMs: 0, replaced: true })
  }

  /** Resolves once all replaced processes have exited. */
  async whenPredecessorsExited(): Promise<void> {
    await Promise.all([...this.#exits].map(([child, exit]) => child !== this.#current && exit))
  }

  /** Stops the process for good. Resolves with whether it, and its predecessors that still ran, stopped in order. */
  async stop(drainMs = 0): Promise<boolean> {
    this.#isStopped = true
    clearTimeout(this.#respawn)
    const children = [...this.#exits.keys()]
    await Promise.all(children.map(child => this.#stop(child, { drainMs, replaced: false })))
    return children.every(child => endedInOrder(child) || this.#unstartable.has(child))
  }

  #spawn(): void {
    if (this.#isStopped) return
    const { name, logger } = this.#options
    const child = this.#options.spawn()
    const startedAt = performance.now()
    this.#current = child
    child.on('message', message => this.#receive(message as FromChild, child))
    child.on('error', err => logger.error({ err, process: name }, 'cannot send a message to the process'))
    // Not `disconnect`: Node does not emit it if the process dies while a connection is being handed over.
    child.once('close', () => this.emit('gone', child))
    watchForHang(child, () => {
      logger.error({ process: name, childPid: child.pid }, 'a process hangs and is killed')
      this.#hung.add(child)
      child.kill('SIGKILL')
    })
    const exit = exitOf(child).then(() => {
      this.#exits.delete(child)
      this.#onExit(child, performance.now() - startedAt)
    })
    this.#exits.set(child, exit)
    // A process that the system could not start, for want of file descriptors, has no channel for messages.
    if (child.pid !== undefined) this.emit('spawned', child)
  }

  #onExit(child: ChildProcess, uptimeMs: number): void {
    if (this.#current !== child) {
      this.#onPredecessorExit(child)
      return
    }
    this.#current = undefined
    if (this.#isStopped) return
    if (uptimeMs >= STABLE_AFTER_MS) this.#backoffMs = MIN_BACKOFF_MS
    const backoffMs = this.#backoffMs
    // A signal to the whole process group may reach the child before this process, which then stops and replaces nothing.
    const mayBeStopped = endedInOrder(child)
    if (!mayBeStopped) this.#reportReplacement(child, backoffMs)
    this.#respawn = setTimeout(() => {
      if (mayBeStopped) this.#reportReplacement(child, backoffMs)
      this.#spawn()
    }, backoffMs)
    this.#backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)
  }

  #onPredecessorExit(child: ChildProcess): void {
    const isExpected = this.#isStopped || this.#stopping.has(child) || endedInOrder(child)
    if (!isExpected) this.#reportReplacement(child)
  }

  /** @param backoffMs until its successor starts; absent if it runs already */
  #reportReplacement(child: ChildProcess, backoffMs?: number): void {
    const { name, logger } = this.#options
    const { pid, exitCode: code, signalCode: signal } = child
    if (this.#unstartable.has(child)) {
      this.emit('replaced', 'cannot-start')
      return
    }
    logger.warn({ process: name, childPid: pid, code, signal, backoffMs }, 'a process died and is replaced')
    this.emit('replaced', this.#hung.has(child) ? 'hung' : reasonOfExit(child))
  }

  #receive(message: FromChild, child: ChildProcess): void {
    if (message.type === 'ready') {
      this.#wasReady = true
      this.#ready.add(child)
    }
    if (message.type === 'cannot-start') this.#cannotStart(message.reason, child)
    this.emit('message', message, child)
  }

  /** If the first process cannot start, the start fails. A successor is retried, as other processes may still be working. */
  #cannotStart(reason: string, child: ChildProcess): void {
    if (!this.#wasReady) {
      this.#isStopped = true
      return
    }
    const { name, logger } = this.#options
    logger.error({ process: name, childPid: child.pid, reason }, 'a successor cannot start')
    this.#unstartable.add(child)
  }

  /** Resolves once a successor is ready, even if it takes more than one start. */
  #successorReady(predecessor: ChildProcess | undefined): Promise<void> {
    return new Promise(resolve => {
      const listener = (message: FromChild, child: ChildProcess) => {
        if (message.type !== 'ready' || child === predecessor || this.#stopping.has(child)) return
        this.off('message', listener)
        resolve()
      }
      this.on('message', listener)
    })
  }

  /**
   * A process that is still starting may not receive messages yet, but SIGTERM ends it at once: it has nothing to stop. A process
   * that receives messages ignores SIGTERM (see `stopOnRequest`). So the signal goes first and the message follows.
   */
  async #stop(child: ChildProcess, how: Omit<Extract<ToChild, { type: 'stop' }>, 'type'>): Promise<void> {
    const kill = setTimeout(() => child.kill('SIGKILL'), this.#options.stopTimeoutMs)
    this.#stopping.add(child)
    child.kill('SIGTERM')
    sendTo(child, { type: 'stop', ...how })
    await this.#exits.get(child)
    clearTimeout(kill)
  }
}

/** A signal ends only a process that was still starting, which had nothing to stop. */
function endedInOrder({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === 0 || signalCode === 'SIGTERM' || signalCode === 'SIGINT'
}
