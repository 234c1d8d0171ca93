import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from '@jest/globals'
import { stringify } from 'yaml'
import { freePort } from './free-port.ts'
import { isOnPath } from './on-path.ts'

export const RULES = new URL('../../deploy/prometheus/rules.yml', import.meta.url).pathname

/** A suite that needs a real Prometheus. It is skipped, with a message, if there is none. */
export const describeWithPrometheus = isOnPath('prometheus') ? describe : describe.skip

/** The samples of Prometheus' text format: name with labels → value. */
export function samplesIn(text: string): Map<string, number> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )
}

/** The samples that may only grow: those of counters and histograms. */
export function growingIn(text: string): Map<string, number> {
  const families = [...text.matchAll(/^# TYPE (\S+) (?:counter|histogram)$/gm)].map(([, name = '']) => name)
  const growing = new Set(families.flatMap(name => ['', '_bucket', '_sum', '_count'].map(suffix => name + suffix)))
  return new Map([...samplesIn(text)].filter(([sample]) => growing.has(sample.replace(/\{.*/, ''))))
}

/** The samples that fell from one scrape to a later one, although they may only grow. */
export function fallenIn(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string[] {
  const fallen = [...before].filter(([sample, value]) => (after.get(sample) ?? 0) < value)
  return fallen.map(([sample, value]) => `${sample} ${value} → ${after.get(sample)}`)
}

/** The number of counted checks of all kinds. */
export function checksIn(text: string): number {
  const counted = [...samplesIn(text)].filter(([sample]) => sample.startsWith('throttler_checks_total{'))
  return counted.reduce((sum, [, count]) => sum + count, 0)
}

/** The complaints of Prometheus' own linter; empty if there are none. */
export function lintedByPromtool(text: string): string {
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  return stdout + stderr
}

/** The labels by which the rules select targets, such as `role=api`. */
export function labelsThatRulesSelect(): Set<string> {
  const selected = readFileSync(RULES, 'utf8').matchAll(/\b(job|role)="(\w+)"/g)
  return new Set([...selected].map(([, label, value]) => `${label}=${value}`))
}

/** A configuration of Prometheus with one job for all targets. */
export function scraping(...targets: readonly string[]): object {
  return { scrape_configs: [{ job_name: 'throttler', static_configs: [{ targets }] }] }
}

interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing'
}

interface Rule {
  readonly type: 'alerting' | 'recording'
  readonly name: string
  /** When it was evaluated last, as a date. */
  readonly lastEvaluation: string
  /** Alerts of which the expression holds, even if not yet for long enough to fire. */
  readonly alerts?: readonly Alert[]
}

const EVERY_SECOND = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' }

/** A Prometheus of the test's own that scrapes its targets and evaluates its rules each second. */
export class Prometheus {
  readonly url: string
  readonly #process: ChildProcess
  readonly #directory: string

  private constructor(port: number, child: ChildProcess, directory: string) {
    this.url = `http://127.0.0.1:${port}`
    this.#process = child
    this.#directory = directory
  }

  /**
   * @param configuration all of it but the intervals
   * @param pages console templates, by name: pages that it serves under /consoles
   */
  static async start(configuration: object, pages: Readonly<Record<string, string>> = {}): Promise<Prometheus> {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-prometheus-'))
    const config = join(directory, 'prometheus.yml')
    for (const [name, text] of Object.entries(pages)) await writeFile(join(directory, name), text)
    await writeFile(config, stringify({ global: EVERY_SECOND, ...configuration }))
    const port = await freePort()
    const options = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.console.templates=${directory}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]
    const child = spawn('prometheus', options, { stdio: 'ignore' })
    return new Prometheus(port, child, directory)
  }

  /** The value of an expression, or `undefined` while there is none. */
  async value(expression: string): Promise<number | undefined> {
    const path = `query?query=${encodeURIComponent(expression)}`
    const { result } = await this.#get<{ result: { value: [number, string] }[] }>(path)
    const sample = result[0]?.value[1]
    return sample === undefined ? undefined : Number(sample)
  }

  async rules(): Promise<readonly Rule[]> {
    const { groups } = await this.#get<{ groups: { rules: Rule[] }[] }>('rules')
    return groups.flatMap(({ rules }) => rules)
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`)
    const { data } = (await response.json()) as { data: T }
    return data
  }

  async stop(): Promise<void> {
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
    await rm(this.#directory, { recursive: true, force: true })
  }
}
