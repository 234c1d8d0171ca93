import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from '@jest/globals'

const TICK_MS = 2

const IS_LONG = process.env['TEST_LONG'] !== undefined
const BACK_WITHIN_MS = 2_000
/** What is promised: `REDIS_TIMEOUT_MS` by its default, and 50 ms. */
const P99_LIMIT_MS = 150

/**
 * For services under load: beside other suites a machine may be so busy that a process looks slow, or takes the store for slow.
 * The long tests, which have the machine for themselves, go by the defaults.
 */
export const PATIENCE: Readonly<Record<string, string>> = IS_LONG
  ? {}
  : { REDIS_TIMEOUT_MS: '5000', EVENT_LOOP_LAG_MS: '10000' }

/** One check and what became of it. */
export interface Sample {
  /** When it was due, by `performance.now()`. */
  readonly at: number
  readonly latencyMs: number
  readonly status: number
  readonly source: string
  readonly key: string
}

interface CheckLoadOptions {
  readonly urls: readonly string[]
  readonly ratePerSecond: number
  readonly keyOf: (i: number) => string
}

/** Checks at a fixed rate, whether answers come or not. Latency counts from when a check was due. */
export class CheckLoad {
  readonly samples: Sample[] = []
  readonly #options: CheckLoadOptions
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 200 })
  readonly #begin = performance.now()
  readonly #timer: NodeJS.Timeout
  #issued = 0

  constructor(options: CheckLoadOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#issueDue(), TICK_MS)
  }

  /** Goes on for so long. */
  runsFor(ms: number): Promise<void> {
    return sleep(ms)
  }

  /** Resolves once every check that was sent is answered. */
  async stop(): Promise<readonly Sample[]> {
    clearInterval(this.#timer)
    while (this.samples.length < this.#issued) await sleep(TICK_MS)
    this.#agent.destroy()
    return this.samples
  }

  #issueDue(): void {
    const intervalMs = 1_000 / this.#options.ratePerSecond
    for (; this.#begin + this.#issued * intervalMs <= performance.now(); this.#issued++) {
      this.#send(this.#issued, this.#begin + this.#issued * intervalMs)
    }
  }

  #send(i: number, at: number): void {
    const { urls, keyOf } = this.#options
    const key = keyOf(i)
    const answered = (status: number, text: string) => {
      const source = /"source":"([a-z-]+)"/.exec(text)?.[1] ?? 'none'
      this.samples.push({ at, latencyMs: performance.now() - at, status, source, key })
    }
    const headers = { 'content-type': 'application/json' }
    const call = request(
      `${urls[i % urls.length]}/check`,
      { method: 'POST', agent: this.#agent, headers },
      response => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', chunk => {
          text += chunk
        })
        response.on('end', () => answered(response.statusCode ?? 0, text))
      },
    )
    call.on('error', err => answered(0, err.message))
    call.end(JSON.stringify({ key }))
  }
}

/** What the samples come to. */
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

/** That checks were answered as soon as is promised, and by the store again; the long tests alone can tell. */
export function expectInTime(samples: readonly Sample[], newMasterAt?: number): void {
  if (!IS_LONG) return
  expect(summarize(samples).p99Ms).toBeLessThanOrEqual(P99_LIMIT_MS)
  if (newMasterAt !== undefined) expect(lastDegraded(samples) - newMasterAt).toBeLessThan(BACK_WITHIN_MS)
}

/** When the last check was due that the store was needed for and could not be asked. */
function lastDegraded(samples: readonly Sample[]): number {
  return Math.max(
    0,
    ...samples.filter(({ source }) => source !== 'redis' && source !== 'denied-cache').map(({ at }) => at),
  )
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0
}

/** The figures, for who wants to see them: `TEST_FIGURES=true`. */
export function reportFigures(what: string, samples: readonly Sample[], newMasterAt?: number): void {
  if (process.env['TEST_FIGURES'] === undefined) return
  const backAfterMs = newMasterAt === undefined ? undefined : lastDegraded(samples) - newMasterAt
  process.stderr.write(`${what}: ${JSON.stringify({ ...summarize(samples), backAfterMs })}\n`)
}
