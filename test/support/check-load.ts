import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'

const TICK_MS = 2
const MOST_CONNECTIONS = 500
/** Checks that wait for an answer. A machine that is too slow for the rate gets no more: they would fill the memory of the test. */
const MOST_UNDER_WAY = 10_000

const IS_LONG = process.env['TEST_LONG'] !== undefined
const BACK_WITHIN_MS = 2_000
/** The promised latency: the default of `REDIS_TIMEOUT_MS`, plus 50 ms. */
const P99_LIMIT_MS = 150

/** One check and its result. */
export interface Sample {
  readonly key: string
  /** When the check was due, by `performance.now()`. */
  readonly at: number
  readonly latencyMs: number
  /** 0 when there was no answer. */
  readonly status: number
  /** `none` if there was no decision. */
  readonly source: string
  /** Why there was no answer. */
  readonly error?: string
}

interface CheckLoadOptions {
  readonly urls: readonly string[]
  readonly ratePerSecond: number
  readonly keyOf: (i: number) => string
  /** The path and the body of a check. Default: `POST /check`. */
  readonly requestOf?: (key: string) => readonly [path: string, body: unknown]
  /** Maximum number of checks in flight; further ones wait in the caller. Default: 500. */
  readonly connections?: number
}

/** Sends checks at a fixed rate, whether answers arrive or not. Latency is measured from when a check was due. */
export class CheckLoad {
  readonly samples: Sample[] = []
  readonly #options: CheckLoadOptions
  readonly #agent: Agent
  readonly #begin = performance.now()
  readonly #timer: NodeJS.Timeout
  readonly #underWay = new Set<Promise<unknown>>()
  #issued = 0

  constructor(options: CheckLoadOptions) {
    this.#options = options
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections ?? MOST_CONNECTIONS })
    this.#timer = setInterval(() => this.#issueDue(), TICK_MS)
  }

  /** Opens every connection to one of the services. Callers keep connections, and a flood of new ones delays other new ones. */
  async connect(): Promise<void> {
    const { connections = MOST_CONNECTIONS, keyOf, urls } = this.#options
    await Promise.all(Array.from({ length: connections }, (_, i) => this.#check(urls[0] ?? '', keyOf(i))))
  }

  /** Resolves after this time, while the load continues. */
  runsFor(ms: number): Promise<void> {
    return sleep(ms)
  }

  /** Resolves once every check that was sent is answered. */
  async stop(): Promise<readonly Sample[]> {
    clearInterval(this.#timer)
    await Promise.all(this.#underWay)
    this.#agent.destroy()
    return this.samples
  }

  #issueDue(): void {
    const intervalMs = 1_000 / this.#options.ratePerSecond
    for (; this.#begin + this.#issued * intervalMs <= performance.now(); this.#issued++) {
      if (this.#underWay.size < MOST_UNDER_WAY) this.#issue(this.#issued, this.#begin + this.#issued * intervalMs)
    }
  }

  #issue(i: number, at: number): void {
    const { urls, keyOf } = this.#options
    const key = keyOf(i)
    const answer = this.#check(urls[i % urls.length] ?? '', key).then(answered => {
      this.samples.push({ key, at, latencyMs: performance.now() - at, ...answered })
      this.#underWay.delete(answer)
    })
    this.#underWay.add(answer)
  }

  #check(url: string, key: string): Promise<Pick<Sample, 'status' | 'source' | 'error'>> {
    const [path, body] = this.#options.requestOf?.(key) ?? ['/check', { key }]
    return new Promise(resolve => {
      const headers = { 'content-type': 'application/json' }
      const call = request(url + path, { method: 'POST', agent: this.#agent, headers }, async response => {
        const source = /"source":"([a-z-]+)"/.exec(await text(response))?.[1] ?? 'none'
        resolve({ status: response.statusCode ?? 0, source })
      })
      call.on('error', err => resolve({ status: 0, source: 'none', error: err.message }))
      call.end(JSON.stringify(body))
    })
  }
}

/** Figures about the samples. */
export function summarize(samples: readonly Sample[]) {
  const latencies = samples.map(({ latencyMs }) => latencyMs).toSorted((a, b) => a - b)
  const count = (holds: (sample: Sample) => boolean) => samples.filter(holds).length
  return {
    checks: samples.length,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    maxMs: latencies.at(-1) ?? 0,
    errors: count(({ status }) => status >= 500 || status === 0),
    degraded: count(({ source }) => source === 'local' || source === 'outage') / samples.length,
    bySource: Object.fromEntries(
      [...new Set(samples.map(({ source }) => source))].map(s => [s, count(x => x.source === s)]),
    ),
  }
}

/** Expects that checks were answered within the promised time, and by the store again. Only long tests measure that. */
export function expectInTime(samples: readonly Sample[], newMasterAt?: number): void {
  if (!IS_LONG) return
  expect(summarize(samples).p99Ms).toBeLessThanOrEqual(P99_LIMIT_MS)
  if (newMasterAt !== undefined) expect(lastDegraded(samples) - newMasterAt).toBeLessThan(BACK_WITHIN_MS)
}

/** When the last check was due that needed the store and could not ask it. */
function lastDegraded(samples: readonly Sample[]): number {
  return Math.max(
    0,
    ...samples.filter(({ source }) => source !== 'redis' && source !== 'denied-cache').map(({ at }) => at),
  )
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0
}

/** Prints the figures with `TEST_FIGURES=true`. */
export function reportFigures(what: string, samples: readonly Sample[], newMasterAt?: number): void {
  if (process.env['TEST_FIGURES'] === undefined) return
  const backAfterMs = newMasterAt === undefined ? undefined : Math.max(0, lastDegraded(samples) - newMasterAt)
  process.stderr.write(`${what}: ${JSON.stringify({ ...summarize(samples), backAfterMs })}\n`)
}
