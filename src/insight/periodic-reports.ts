import { TimeoutError } from '../lib/deadline.ts'

export interface PeriodicReportsOptions<Report> {
  readonly intervalMs: number
  /** How long after the end of an interval its report is sent, in ms. Differs by process, so that not all send at once. */
  readonly delayMs: number
  /**
   * Returns what has gathered during an interval, and forgets it; `undefined` if nothing has.
   * @param startedAtMs start of the interval, in ms since 1970
   * @param nowMs its end; infinite for the last report
   */
  take(startedAtMs: number, nowMs: number): Report | undefined
  send(report: Report): Promise<void>
  /** A report was sent, or lost for a reason. */
  onSent(failure?: unknown): void
  /** In ms since 1970. */
  now(): number
}

/**
 * Reports what a process gathers to a store. Intervals begin at multiples of their length, in all processes alike. Nothing waits for a
 * report, and none is sent twice, since it may have arrived: one that fails, or that is due while another is under way, is lost.
 */
export class PeriodicReports<Report> {
  readonly #options: PeriodicReportsOptions<Report>
  #startedAtMs: number
  #timer: NodeJS.Timeout | undefined
  /** Taken, and sent after the delay. */
  #next: { readonly report: Report; readonly timer: NodeJS.Timeout } | undefined
  #sending: Promise<void> | undefined

  constructor(options: PeriodicReportsOptions<Report>) {
    this.#options = options
    this.#startedAtMs = options.now()
  }

  start(): void {
    this.#startedAtMs = this.#options.now()
    this.#schedule()
  }

  /** Sends what has gathered, and ends. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#sendNext()
    await this.#sending
    this.#take(Number.POSITIVE_INFINITY)
    this.#sendNext()
    await this.#sending
  }

  #schedule(): void {
    const { intervalMs, now } = this.#options
    this.#timer = setTimeout(
      () => {
        this.#take(now())
        this.#schedule()
      },
      intervalMs - (now() % intervalMs),
    ).unref()
  }

  #take(nowMs: number): void {
    const { take, delayMs } = this.#options
    const report = take(this.#startedAtMs, nowMs)
    this.#startedAtMs = nowMs
    if (report === undefined) return
    this.#sendNext()
    this.#next = { report, timer: setTimeout(() => this.#sendNext(), delayMs).unref() }
  }

  #sendNext(): void {
    const next = this.#next
    if (next === undefined) return
    this.#next = undefined
    clearTimeout(next.timer)
    if (this.#sending === undefined) this.#sending = this.#send(next.report)
    else this.#options.onSent(new TimeoutError('the store has not taken the previous report yet'))
  }

  async #send(report: Report): Promise<void> {
    const { send, onSent } = this.#options
    try {
      await send(report)
      onSent()
    } catch (err) {
      onSent(err)
    } finally {
      this.#sending = undefined
    }
  }
}
