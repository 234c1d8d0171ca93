import type { ChildProcess } from 'node:child_process'
import { shareRun } from '../lib/share-runs.ts'
import { healthOfInstance, type InstanceHealth, type StoresState, worstOf } from '../observability/stores-state.ts'
import { askProcesses } from './ask-processes.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** Minimum interval between two rounds of health checks, in ms. */
const CHECK_INTERVAL_MS = 250

/** The health of all front processes. A process that does not answer in time counts with its last known state. */
export class FleetHealth {
  readonly #slots: readonly SupervisedProcess[]
  readonly #timeoutMs: number
  readonly #latest = new Map<ChildProcess, StoresState>()

  constructor(slots: readonly SupervisedProcess[], timeoutMs: number) {
    this.#slots = slots
    this.#timeoutMs = timeoutMs
    for (const slot of slots) {
      slot.on('message', (message, child) => message.type === 'stores' && this.#latest.set(child, message.stores))
      slot.on('gone', child => this.#latest.delete(child))
    }
  }

  /** Whether one of these processes reaches the bucket store. */
  async isStoreReachedBy(children: readonly ChildProcess[]): Promise<boolean> {
    await this.current()
    return children.some(child => this.#latest.get(child)?.store === 'up')
  }

  readonly current = shareRun(() => this.#ask(), CHECK_INTERVAL_MS)

  async #ask(): Promise<InstanceHealth> {
    const working = this.#slots.flatMap(slot => slot.working)
    await askProcesses(working, {
      question: { type: 'examine-stores' },
      answeredBy: ({ type }) => type === 'stores',
      timeoutMs: this.#timeoutMs,
    })
    return healthOfInstance(worstOf([...this.#latest.values()]))
  }
}
