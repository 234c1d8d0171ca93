import { Counter, type Registry } from 'prom-client'
import type { RespObserver } from '../check/resp/command-runner.ts'

const OUTCOMES = ['ok', 'error'] as const

/** Counts commands over RESP in plain numbers, and adds them to Prometheus' counter at a scrape, as `CheckCounter` does. */
export class RespCommands implements RespObserver {
  /** Since the last scrape. There are as many entries as commands. */
  readonly #counts = new Map<string, Record<(typeof OUTCOMES)[number], number>>()

  constructor(registry: Registry) {
    const counts = this.#counts
    new Counter({
      name: 'throttler_resp_commands_total',
      help: 'Commands answered over RESP, by command and outcome',
      labelNames: ['command', 'outcome'],
      registers: [registry],
      collect() {
        for (const [command, count] of counts) {
          for (const outcome of OUTCOMES) if (count[outcome] > 0) this.inc({ command, outcome }, count[outcome])
        }
        counts.clear()
      },
    })
  }

  commandAnswered(command: string, isError: boolean): void {
    const count = this.#counts.get(command)
    const outcome = isError ? 'error' : 'ok'
    if (count === undefined) this.#counts.set(command, { ok: 0, error: 0, [outcome]: 1 })
    else count[outcome]++
  }
}
