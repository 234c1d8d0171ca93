import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { OperatorError } from '../lib/operator-error.ts'
import type { Logger } from '../observability/logger.ts'
import { endOf, tell } from './child-process.ts'
import { watchForWedge } from './hang-watch.ts'
import type { FromChild, ToChild } from './messages.ts'
import { type ReplacementReason, reasonOfEnd } from './replacement-reason.ts'

const SHORTEST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** A process that lived so long is not in a crash loop. */
const LONG_LIFE_MS = 10_000

/** The process said that it cannot start, and why. */
export class CannotStart extends OperatorError {}

interface SupervisedProcessOptions {
  readonly name: string
  /** Starts the process, with a channel to it. */
  spawn(): ChildProcess
  readonly logger: Logger
  /** How long an orderly stop may take before the process is killed, ms. */
  readonly stopTimeoutMs: number
}

interface SupervisedProcessEvents {
  /** A process was started. It receives messages once it has loaded. */
  spawned: []
  message: [FromChild, ChildProcess]
  /** Everything that a process said has been heard, and nothing more will come. */
  gone: [ChildProcess]
  /** Another process takes the place of one, or will after a pause. */
  replaced: [ReplacementReason]
}

/**
 * One process that is always there: when it dies, another takes its place, after a pause that doubles in a crash loop. One whose
 * event loop is blocked is killed.
 */
export class SupervisedProcess extends EventEmitter<SupervisedProcessEvents> {
  readonly #options: SupervisedProcessOptions
  #current: ChildProcess | undefined
  #pauseMs = SHORTEST_PAUSE_MS
  #respawn: NodeJS.Timeout | undefined
  /** The ends of all that live: of the current process, and of those that it has replaced, or will once it is ready. */
  readonly #ends = new Map<ChildProcess, Promise<void>>()
  /** No process is started any more. */
  #stopped = false
  readonly #ready = new WeakSet<ChildProcess>()
  readonly #hung = new WeakSet<ChildProcess>()
  #wasReady = false

  constructor(options: SupervisedProcessOptions) {
    super()
    this.#options = options
  }

  /** Resolves with the first process's word that it is ready; never, once it is stopped. @throws {CannotStart} */
  start(): Promise<Extract<FromChild, { type: 'ready' }>> {
    return new Promise((resolve, reject) => {
      this.on('message', message => {
        if (message.type === 'ready' && !this.#stopped) resolve(message)
        if (message.type === 'cannot-start') reject(new CannotStart(message.reason))
      })
      this.#spawn()
    })
  }

  /** The processes that are ready and were not told to stop. */
  get working(): readonly ChildProcess[] {
    return [...this.#ends.keys()].filter(child => this.#ready.has(child))
  }

  get name(): string {
    return this.#options.name
  }

  get current(): ChildProcess | undefined {
    return this.#current
  }

  send(message: ToChild): void {
    if (this.#current !== undefined) tell(this.#current, message)
  }

  /** Starts a successor, and stops the present process once that is ready. Resolves then; see `predecessorsGone`. */
  async replace(drainMs: number): Promise<void> {
    const predecessor = this.#current
    clearTimeout(this.#respawn)
    const ready = this.#successorOf(predecessor)
    this.#spawn()
    await ready
    this.emit('replaced', 'replaced')
    if (predecessor !== undefined) void this.#stop(predecessor, { drainMs, replaced: true })
  }

  /** Resolves once no process is left that was replaced. */
  async predecessorsGone(): Promise<void> {
    await Promise.all([...this.#ends].map(([child, end]) => child !== this.#current && end))
  }

  /** Ends the process for good. */
  async stop(drainMs = 0): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#respawn)
    await Promise.all([...this.#ends.keys()].map(child => this.#stop(child, { drainMs, replaced: false })))
  }

  #spawn(): void {
    if (this.#stopped) return
    const { name, logger } = this.#options
    const child = this.#options.spawn()
    const startedAt = performance.now()
    this.#current = child
    child.on('message', message => this.#receive(message as FromChild, child))
    child.on('error', err => logger.error({ err, process: name }, 'cannot reach the process'))
    // Not `disconnect`, which Node leaves out where the process died while a connection was being handed to it.
    child.once('close', () => this.emit('gone', child))
    watchForWedge(child, () => {
      logger.error({ process: name, childPid: child.pid }, 'a process hangs and is killed')
      this.#hung.add(child)
      child.kill('SIGKILL')
    })
    const end = endOf(child).then(() => {
      this.#ends.delete(child)
      this.#ended(child, performance.now() - startedAt)
    })
    this.#ends.set(child, end)
    this.emit('spawned')
  }

  #ended(child: ChildProcess, lifeMs: number): void {
    if (this.#current !== child) return
    this.#current = undefined
    if (this.#stopped) return
    const { name, logger } = this.#options
    const { pid, exitCode: code, signalCode: signal } = child
    if (lifeMs >= LONG_LIFE_MS) this.#pauseMs = SHORTEST_PAUSE_MS
    logger.warn(
      { process: name, childPid: pid, code, signal, pauseMs: this.#pauseMs },
      'a process died and is replaced',
    )
    this.emit('replaced', this.#hung.has(child) ? 'hung' : reasonOfEnd(child))
    this.#respawn = setTimeout(() => this.#spawn(), this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
  }

  #receive(message: FromChild, child: ChildProcess): void {
    if (message.type === 'ready') {
      this.#wasReady = true
      this.#ready.add(child)
    }
    if (message.type === 'cannot-start') this.#cannotStart(message.reason)
    this.emit('message', message, child)
  }

  /** A first process that cannot start fails the start; a later one is tried again, since others may still do its work. */
  #cannotStart(reason: string): void {
    if (this.#wasReady) this.#options.logger.error({ process: this.#options.name, reason }, 'a successor cannot start')
    else this.#stopped = true
  }

  /** Resolves once another process than the predecessor is ready, even if that takes more than one start. */
  #successorOf(predecessor: ChildProcess | undefined): Promise<void> {
    return new Promise(resolve => {
      const listener = (message: FromChild, child: ChildProcess) => {
        if (message.type !== 'ready' || child === predecessor) return
        this.off('message', listener)
        resolve()
      }
      this.on('message', listener)
    })
  }

  /**
   * A process that is still starting may not listen to messages yet. SIGTERM ends it at once, since it has nothing to stop; one
   * that listens ignores SIGTERM (see `stopOnRequest`). The signal goes first: who ignores it hears the message that follows.
   */
  async #stop(child: ChildProcess, how: Omit<Extract<ToChild, { type: 'stop' }>, 'type'>): Promise<void> {
    const kill = setTimeout(() => child.kill('SIGKILL'), this.#options.stopTimeoutMs)
    this.#ready.delete(child)
    child.kill('SIGTERM')
    tell(child, { type: 'stop', ...how })
    await this.#ends.get(child)
    clearTimeout(kill)
  }
}
