import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, Client } from './client.ts'

interface ConcurrentJobsOptions {
  readonly url: string
  readonly key: string
  readonly callers: number
  readonly ttlMs: number
}

/** When a job ran, by the clock of its caller, in ms since 1970. */
interface Job {
  readonly startMs: number
  readonly endMs: number
}

/** Of the callers, this share crashes in the middle of its job and never settles. */
const CRASHES = 0.05
/** Of the jobs, this share would take longer than their reservation. */
const TOO_LONG = 0.05
const MOST_PAUSE_MS = 400

/** Callers that do jobs of random length, each while it has a reservation, whatever happens to the service. */
export class ConcurrentJobs {
  readonly jobs: Job[] = []
  /** Requests without an answer. */
  lost = 0
  readonly #options: ConcurrentJobsOptions
  readonly #callers: Promise<unknown>
  #isOver = false

  constructor(options: ConcurrentJobsOptions) {
    this.#options = options
    this.#callers = Promise.all(Array.from({ length: options.callers }, () => this.#work(new Client(options.url))))
  }

  /** Resolves once every job has ended. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#callers
  }

  /** The most jobs that ran at the same time. */
  get mostAtOnce(): number {
    const changes = this.jobs.flatMap(({ startMs, endMs }) => [
      { atMs: startMs, by: 1 },
      { atMs: endMs, by: -1 },
    ])
    let running = 0
    let most = 0
    // A job that ends in the millisecond in which another one starts has ended before.
    for (const { by } of changes.sort((a, b) => a.atMs - b.atMs || a.by - b.by)) {
      running += by
      most = Math.max(most, running)
    }
    return most
  }

  /** How many jobs ran on average. */
  get averageAtOnce(): number {
    const [first, last] = [Math.min(...this.jobs.map(job => job.startMs)), Math.max(...this.jobs.map(job => job.endMs))]
    return this.jobs.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0) / (last - first)
  }

  async #work(client: Client): Promise<void> {
    while (!this.#isOver) {
      const reserved = await this.#reserve(client)
      if (reserved?.status === 201) await this.#run(client, reserved)
      else await sleep(MOST_PAUSE_MS * Math.random())
    }
  }

  /** Half of the callers ask again if there is no answer, and find what they hold. The others leave it to its expiry. */
  async #reserve(client: Client): Promise<Answer | undefined> {
    const { key, ttlMs } = this.#options
    const idempotencyKey = { 'idempotency-key': randomUUID() }
    const ask = () =>
      this.#ask(() => client.request('POST', '/reservations', { key, tokens: 0, ttlMs }, idempotencyKey))
    const answer = await ask()
    return answer === undefined && Math.random() < 0.5 ? ask() : answer
  }

  async #run(client: Client, { body: { id, expiresAt } }: Answer): Promise<void> {
    const startMs = Date.now()
    const { ttlMs } = this.#options
    const lengthMs = (Math.random() < TOO_LONG ? 2 : 0.5) * ttlMs * Math.random()
    const crashes = Math.random() < CRASHES
    const expiresInMs = Date.parse(expiresAt) - startMs
    await sleep(crashes ? expiresInMs : Math.min(lengthMs, expiresInMs))
    // Timers are late.
    this.jobs.push({ startMs, endMs: Math.min(Date.now(), startMs + expiresInMs) })
    if (!crashes) await this.#settle(client, id)
  }

  async #settle(client: Client, id: string): Promise<void> {
    for (;;) {
      const answer = await this.#ask(() => client.request('POST', `/reservations/${id}/settle`))
      if (answer !== undefined) return
      await sleep(MOST_PAUSE_MS * Math.random())
    }
  }

  /** `undefined` if there is no answer, or none from the store. */
  async #ask(call: () => Promise<Answer>): Promise<Answer | undefined> {
    const answer = await call().catch(() => undefined)
    if (answer !== undefined && answer.status < 500) return answer
    this.lost++
    return undefined
  }
}
