import type { ChildProcess } from 'node:child_process'
import { shareRun } from '../lib/share-runs.ts'
import { healthOfInstance, type InstanceHealth, type StoresState, worstOf } from '../observability/stores-state.ts'
import { askProcesses } from './ask-processes.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** The shortest time from one round of questions to the next, in ms. */
const INTERVAL_MS = 250

/** How the front processes are together. One that does not answer in time counts as it was last known. */
export class FleetHealth {
  readonly #slots: readonly SupervisedProcess[]
  readonly #timeoutMs: number
  readonly #known = new Map<ChildProcess, StoresState>()

  constructor(slots: readonly SupervisedProcess[], timeoutMs: number) {
    this.#slots = slots
    this.#timeoutMs = timeoutMs
    for (const slot of slots) {
      slot.on('message', (message, child) => message.type === 'stores' && this.#known.set(child, message.stores))
      slot.on('gone', child => this.#known.delete(child))
    }
  }

  readonly current = shareRun(() => this.#ask(), INTERVAL_MS)

  async #ask(): Promise<InstanceHealth> {
    const question = { type: 'examine-stores' } as const
    await askProcesses(this.#slots, { question, answer: 'stores', timeoutMs: this.#timeoutMs })
    return healthOfInstance(worstOf([...this.#known.values()]))
  }
}
