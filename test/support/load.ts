import { Agent, request } from 'node:http'

/** One check and what became of it. */
export interface Sample {
  readonly key: string
  /** When it was sent, by `performance.now()`. */
  readonly sentAtMs: number
  readonly ms: number
  /** 0 when there was no answer. */
  readonly status: number
  readonly source?: string
  readonly error?: string
}

interface LoadOptions {
  readonly url: string
  readonly perSecond: number
  /** The key of the nth check. */
  keyOf(n: number): string
}

const TICK_MS = 5

/** Where the service answers more slowly than it is asked, no more than so many checks are under way at once. */
const MAX_UNDER_WAY = 500

/** Checks at a steady pace over keep-alive connections, whether answers come or not. */
export class Load {
  readonly samples: Sample[] = []
  readonly #options: LoadOptions
  readonly #agent = new Agent({ keepAlive: true })
  readonly #underWay = new Set<Promise<void>>()
  readonly #timer: NodeJS.Timeout
  readonly #startMs = performance.now()
  #sent = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS)
  }

  /** Resolves with all samples once every check has been answered. */
  async stop(): Promise<readonly Sample[]> {
    clearInterval(this.#timer)
    await Promise.all(this.#underWay)
    this.#agent.destroy()
    return this.samples
  }

  #sendDue(): void {
    const { perSecond, keyOf } = this.#options
    const due = ((performance.now() - this.#startMs) * perSecond) / 1000
    for (; this.#sent < due; this.#sent++) {
      if (this.#underWay.size >= MAX_UNDER_WAY) continue
      const answer = this.#check(keyOf(this.#sent)).then(sample => {
        this.samples.push(sample)
        this.#underWay.delete(answer)
      })
      this.#underWay.add(answer)
    }
  }

  #check(key: string): Promise<Sample> {
    const sentAtMs = performance.now()
    const sample = (rest: Pick<Sample, 'status' | 'source' | 'error'>): Sample => {
      return { key, sentAtMs, ms: performance.now() - sentAtMs, ...rest }
    }
    return new Promise(resolve => {
      const headers = { 'content-type': 'application/json' }
      const check = request(`${this.#options.url}/check`, { method: 'POST', agent: this.#agent, headers }, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('end', () => {
          const { source } = JSON.parse(Buffer.concat(chunks).toString()) as { source?: string }
          resolve(sample({ status: response.statusCode ?? 0, ...(source !== undefined && { source }) }))
        })
      })
      check.on('error', err => resolve(sample({ status: 0, error: err.message })))
      check.end(JSON.stringify({ key }))
    })
  }
}

/** The value below which so many of a hundred lie. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0
}
