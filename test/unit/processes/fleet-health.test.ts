import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import type { StoresState } from '../../../src/observability/stores-state.ts'
import { FleetHealth } from '../../../src/processes/fleet-health.ts'
import type { SupervisedProcess } from '../../../src/processes/supervised-process.ts'

const TIMEOUT_MS = 40
const UP: StoresState = { store: 'up', configStore: 'up', circuit: 'closed' }
const DOWN: StoresState = { store: 'down', configStore: 'up', circuit: 'open', reason: 'timeout' }

let nowMs = 1_000
beforeEach(() => {
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs)
})
afterEach(() => {
  jest.restoreAllMocks()
})

/** A slot whose process reports this state of its stores, or does not answer. */
class Slot extends EventEmitter {
  stores: StoresState | 'no answer' = UP
  asked = 0
  readonly #child = Object.assign(new EventEmitter(), { connected: true, send: () => this.#answer() })

  get working(): readonly ChildProcess[] {
    return [this.#child as unknown as ChildProcess]
  }

  #answer(): void {
    this.asked++
    if (this.stores === 'no answer') return
    const message = { type: 'stores', stores: this.stores }
    this.emit('message', message, this.#child)
    this.#child.emit('message', message)
  }
}

function given() {
  const slots = [new Slot(), new Slot()] as const
  return { slots, fleet: new FleetHealth(slots as unknown as SupervisedProcess[], TIMEOUT_MS) }
}

it('the fleet asks each process once for all callers within a quarter of a second', async () => {
  const { slots, fleet } = given()
  slots[1].stores = DOWN
  const health = await Promise.all(Array.from({ length: 100 }, () => fleet.current()))
  nowMs += 249
  await fleet.current()
  expect(health[99]).toEqual({ ...DOWN, uptimeSeconds: expect.any(Number) })
  expect(slots.map(({ asked }) => asked)).toEqual([1, 1])
})

it('the fleet uses the last known state of a process that does not answer', async () => {
  const { slots, fleet } = given()
  slots[0].stores = DOWN
  expect((await fleet.current()).store).toBe('down')
  slots[0].stores = 'no answer'
  nowMs += 250
  expect((await fleet.current()).store).toBe('down')
  expect(slots[0].asked).toBe(2)
})
