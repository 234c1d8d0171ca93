import { setTimeout as sleep } from 'node:timers/promises'
import { type Job, type Span, Worker } from 'bullmq'
import type { RedisClient } from '../redis/connection/connection.ts'
import { isDenied, isReply } from '../redis/connection/failure-reason.ts'
import { isTransient } from '../redis/connection/transient.ts'
import { defineScript } from '../redis/define-script.ts'
import { returnAbandonedScript } from '../redis/scripts.ts'
import type { CommandJob } from './command-job.ts'
import { MalformedJob } from './malformed-job-queue.ts'

/** Pause after the store has refused something, or was not reached, in ms. */
const RETRY_PAUSE_MS = 100

/** How long BullMQ may take to close its connections, in ms. It waits without a limit for one that cannot reconnect. */
const MAX_DISCONNECT_MS = 1_000

/** How long a stop waits for a running command, in ms. The command may wait without a limit for a store that refuses it. */
const MAX_RUNNING_MS = 3_000

const POLL_MS = 20

/** What BullMQ takes for no next job. */
const NONE = undefined as unknown as Job<CommandJob>

/** The options of BullMQ that this service always gives. */
interface GivenOptions {
  readonly connection: RedisClient
  /** Time to live of the lock on a running command, in ms. The worker renews it. */
  readonly lockDuration: number
}

/** The arguments of BullMQ after the job and its token. */
type Further = [fetchNext?: () => boolean, span?: Span]

/**
 * The worker of one partition: BullMQ's, except for what it does while the store refuses writes or cannot be reached.
 * - BullMQ gives up ending a command that has been applied, or marks it as failed. Here, it tries until the store accepts it.
 * - After an error, BullMQ looks for abandoned commands five seconds later, and waits for up to ten seconds for the next command. Here,
 *   it does both at once.
 * - After a command could not be taken, BullMQ tries again without a pause. Here, there is one.
 * - After the store's clock was ahead, a worker that died keeps its lock on a command until that time. Here, it lasts as long as usual.
 * - If the Redis user lacks a right, BullMQ loses an abandoned command that it puts back, and it gives up a command that was abandoned
 *   often. Here, commands are put back by a script that does neither.
 * - BullMQ closes without a limit of time. Here, a running command has three seconds.
 */
export class CommandWorker extends Worker<CommandJob> {
  readonly #putBack = defineScript<readonly string[]>(
    (this.opts as GivenOptions).connection,
    'throttlerReturnAbandoned',
    returnAbandonedScript,
  )
  #running = 0
  #reachedAtMs = performance.now()

  protected override get Job() {
    return MalformedJob
  }

  /** How long the queue has not answered this worker, in ms. An idle worker asks it each second, a busy one renews its lock. */
  get unreachedMs(): number {
    return performance.now() - this.#reachedAtMs
  }

  #reached(): void {
    this.#reachedAtMs = performance.now()
  }

  /** BullMQ calls this method for each search for abandoned commands. */
  protected override async checkConnectionError(): Promise<undefined> {
    await super.checkConnectionError(() => this.#returnAbandoned(), RETRY_PAUSE_MS)
  }

  async #returnAbandoned(): Promise<void> {
    const { lockDuration } = this.opts as GivenOptions
    const lists = ['active', 'wait', 'marker'].map(name => this.toKey(name))
    const returned = await this.#putBack(lists.length, ...lists, this.toKey(''), lockDuration)
    for (const id of returned) this.emit('stalled', id, 'active')
  }

  /** Infinity means that the last wait failed. */
  protected override getBlockTimeout(blockUntil: number): number {
    return blockUntil === Number.POSITIVE_INFINITY ? 0 : super.getBlockTimeout(blockUntil)
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job<CommandJob>> {
    try {
      const job = await super.moveToActive(token, name)
      this.#reached()
      return job
    } catch (err) {
      await sleep(RETRY_PAUSE_MS)
      throw err
    }
  }

  override async processJob(job: Job<CommandJob>, token: string, fetchNext?: () => boolean) {
    this.#running++
    try {
      return await super.processJob(job, token, fetchNext)
    } finally {
      this.#running--
    }
  }

  override async extendJobLocks(jobIds: string[], tokens: string[], duration: number): Promise<string[]> {
    const lost = await super.extendJobLocks(jobIds, tokens, duration)
    this.#reached()
    return lost
  }

  protected override handleCompleted(result: unknown, job: Job<CommandJob>, token: string, ...further: Further) {
    return this.#untilAccepted(job, () => super.handleCompleted(result, job, token, ...further))
  }

  protected override handleFailed(err: Error, job: Job<CommandJob>, token: string, ...further: Further) {
    return this.#untilAccepted(job, () => super.handleFailed(err, job, token, ...further))
  }

  /** If the worker closes meanwhile, the job stays: another worker finds that its command has ended. */
  async #untilAccepted(job: Job<CommandJob>, end: () => Promise<Job<CommandJob>>): Promise<Job<CommandJob>> {
    for (let wasDenied = false; ; ) {
      try {
        const next = await end()
        this.#reached()
        return next
      } catch (err) {
        if (isRefusal(err)) this.emit('error', err as Error)
        else if (wasDenied) return this.#removeEnded(job)
        else throw err
        wasDenied ||= isDenied(err)
      }
      if (this.closing !== undefined) return NONE
      await sleep(RETRY_PAUSE_MS)
    }
  }

  /** A script that was denied a command has run up to there, so the job of a command that has ended may be in no list any more. */
  async #removeEnded(job: Job<CommandJob>): Promise<Job<CommandJob>> {
    // Another worker may have taken it meanwhile.
    await job.remove().catch(() => undefined)
    return NONE
  }

  /** Takes no further commands, and gives a running one some time to end. After that, another worker takes it over. */
  override async close(force = false): Promise<void> {
    const closed = super.close(force).catch(() => undefined)
    await Promise.race([closed, this.#idle(), sleep(MAX_RUNNING_MS, undefined, { ref: false })])
    // Nothing is left to do if BullMQ has closed it.
    void this.getBackend()
      .close(true)
      .catch(() => undefined)
  }

  /** Resolves once no command has run for as long as BullMQ may take to close. */
  async #idle(): Promise<void> {
    let busyAtMs = performance.now()
    while (!this.closed && performance.now() - busyAtMs < MAX_DISCONNECT_MS) {
      await sleep(POLL_MS)
      if (this.#running > 0) busyAtMs = performance.now()
    }
  }
}

/** Whether the store has answered that it cannot do this now. */
function isRefusal(err: unknown): boolean {
  return isReply(err) && (isTransient(err) || isDenied(err))
}
