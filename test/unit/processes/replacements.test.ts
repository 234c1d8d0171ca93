import { EventEmitter } from 'node:events'
import { expect, it } from '@jest/globals'
import type { ToChild } from '../../../src/processes/messages.ts'
import { publishReplacements } from '../../../src/processes/replacements.ts'
import type { SupervisedProcess } from '../../../src/processes/supervised-process.ts'

class Slot extends EventEmitter {
  readonly name: string
  readonly received: ToChild[] = []

  constructor(name: string) {
    super()
    this.name = name
  }

  send(message: ToChild): void {
    this.received.push(message)
  }

  /** How often a process was killed, according to the last message received. */
  async killed(process: string): Promise<number | undefined> {
    await new Promise(resolve => setImmediate(resolve))
    const last = this.received.at(-1)
    const samples = last?.type === 'supervisor-metrics' ? (last.metrics[0]?.values ?? []) : []
    return samples.find(({ labels }) => labels['process'] === process && labels['reason'] === 'killed')?.value
  }
}

it('the supervisor publishes replacements to each new primary at once, and to a running one whenever they change', async () => {
  const [primary, worker] = [new Slot('front'), new Slot('worker')]
  publishReplacements([primary, worker] as unknown as SupervisedProcess[], primary as unknown as SupervisedProcess)
  expect(primary.received).toEqual([])

  primary.emit('spawned')
  expect(await primary.killed('worker')).toBe(0)
  worker.emit('replaced', 'killed')
  expect(await primary.killed('worker')).toBe(1)

  primary.received.length = 0
  primary.emit('spawned')
  expect([await primary.killed('worker'), await primary.killed('front')]).toEqual([1, 0])
})
