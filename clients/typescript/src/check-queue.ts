import type { Decision } from './decision.ts'
import type { PendingCheck } from './pending-check.ts'
import type { Service } from './service.ts'
import { ServiceError } from './service-error.ts'

/** The most checks that the service takes in one call. */
const MAX_CHECKS_PER_CALL = 1_000

const MAX_CALLS_IN_FLIGHT = 16

/** How long checks wait for a call in flight before the next call is sent in parallel, in ms. */
const MAX_WAIT_MS = 20

/**
 * Sends all checks that were asked in one turn of the event loop in one call. While a call is in flight, checks gather
 * for the next, so that batches grow with load and a lone check goes out at once. A slow call does not
 * delay the checks that wait for it: they are sent in parallel, in the order in which they were asked.
 */
export class CheckQueue {
  readonly #service: Service
  readonly #maxWaitMs: number
  /** In the order in which the checks were asked. */
  #waiting: PendingCheck[] = []
  #inFlight = 0
  #isScheduled = false
  #timer: NodeJS.Timeout | undefined

  constructor(service: Service, timeoutMs: number) {
    this.#service = service
    this.#maxWaitMs = Math.min(MAX_WAIT_MS, timeoutMs / MAX_CALLS_IN_FLIGHT)
  }

  add(check: PendingCheck): void {
    if (!check.isShareable) return void this.#call([check])
    this.#waiting.push(check)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#send()
    })
  }

  /** Sends what may go out now, and looks again when the oldest waiting check has waited long enough. */
  #send(): void {
    clearTimeout(this.#timer)
    this.#waiting = this.#waiting.filter(({ isSettled }) => !isSettled)
    while (this.#mayCall()) void this.#callShared(this.#waiting.splice(0, MAX_CHECKS_PER_CALL))
    const [oldest] = this.#waiting
    if (oldest === undefined || this.#inFlight >= MAX_CALLS_IN_FLIGHT) return
    this.#timer = setTimeout(() => this.#send(), oldest.askedAtMs + this.#maxWaitMs - performance.now())
  }

  #mayCall(): boolean {
    const [oldest] = this.#waiting
    if (oldest === undefined || this.#inFlight >= MAX_CALLS_IN_FLIGHT) return false
    return this.#inFlight === 0 || performance.now() >= oldest.askedAtMs + this.#maxWaitMs
  }

  async #callShared(batch: readonly PendingCheck[]): Promise<void> {
    this.#inFlight++
    await this.#call(batch)
    this.#inFlight--
    this.#send()
  }

  /** The call ends when the last of its checks times out, which each does by itself. */
  async #call(batch: readonly PendingCheck[]): Promise<void> {
    const deadlineMs = Math.max(...batch.map(check => check.deadlineMs))
    const signal = AbortSignal.timeout(Math.max(0, Math.ceil(deadlineMs - performance.now())))
    try {
      const results = await this.#ask(batch, signal)
      for (const [i, check] of batch.entries()) settle(check, results[i])
    } catch (failure) {
      if (!signal.aborted) this.#fail(batch, failure)
    }
  }

  async #ask(batch: readonly PendingCheck[], signal: AbortSignal): Promise<(Decision | ServiceError)[]> {
    const [check] = batch
    if (check !== undefined && batch.length === 1) return [await this.#service.check(check, signal)]
    return this.#service.checkBatch(batch, signal)
  }

  /** The service refuses a batch as a whole and names the invalid checks: only they fail, the others are asked again. */
  #fail(batch: readonly PendingCheck[], failure: unknown): void {
    const refused = refusedIndexes(failure, batch.length)
    const isRefused = (i: number) => refused.size === 0 || refused.has(i)
    for (const [i, check] of batch.entries()) if (isRefused(i)) check.fail(failure)
    this.#waiting.unshift(...batch.filter((_, i) => !isRefused(i)))
  }
}

function settle(check: PendingCheck, result: Decision | ServiceError | undefined): void {
  if (result === undefined || result instanceof ServiceError) check.fail(result)
  else check.succeed(result)
}

/** From paths such as `/checks/3/key`. If none is in the batch, it cannot be said which checks are invalid. */
function refusedIndexes(failure: unknown, count: number): ReadonlySet<number> {
  const errors = failure instanceof ServiceError ? failure.errors : []
  const indexes = errors.map(({ path }) => /^\/checks\/(\d+)/.exec(path)?.[1])
  return new Set(indexes.map(Number).filter(index => index < count))
}
