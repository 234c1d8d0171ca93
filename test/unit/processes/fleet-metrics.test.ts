import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { FleetMetrics } from '../../../src/processes/fleet-metrics.ts'
import type { MetricsSnapshot } from '../../../src/processes/messages.ts'
import type { SupervisedProcess } from '../../../src/processes/supervised-process.ts'

/** A slot whose process has this value of its counter. */
class Slot extends EventEmitter {
  readonly #child = Object.assign(new EventEmitter(), { connected: true, send: () => this.#answer() })
  readonly #count: number
  /** How often it was asked. */
  asked = 0

  constructor(count: number) {
    super()
    this.#count = count
  }

  get working(): readonly ChildProcess[] {
    return this.#child.connected ? [this.#child as unknown as ChildProcess] : []
  }

  #answer(): void {
    this.asked++
    const metrics = [
      { name: 'counted', help: 'h', type: 'counter', aggregator: 'sum', values: [{ value: this.#count, labels: {} }] },
      { name: 'open', help: 'h', type: 'gauge', aggregator: 'sum', values: [{ value: 1, labels: {} }] },
    ]
    const message = { type: 'metrics', metrics: metrics as unknown as MetricsSnapshot }
    this.emit('message', message, this.#child)
    this.#child.emit('message', message)
  }

  end(): void {
    this.#child.connected = false
    this.emit('gone', this.#child)
  }
}

function given(...counts: readonly number[]) {
  const slots = counts.map(count => new Slot(count))
  const fleet = new FleetMetrics(slots as unknown as SupervisedProcess[])
  const value = async (name: string) => {
    const metrics = await fleet.collect()
    return metrics.find(metric => metric.name === name)?.values[0]?.value
  }
  return { slots, value }
}

describe('the metrics of a fleet', () => {
  it('are those of all its processes together', async () => {
    const { value } = given(1, 2, 4)
    expect([await value('counted'), await value('open')]).toEqual([7, 3])
  })

  it('are collected once for concurrent requests, and again for later ones', async () => {
    const { slots, value } = given(1)
    const many = () => Promise.all(Array.from({ length: 20 }, () => value('counted')))
    const first = many()
    await Promise.resolve()
    expect(new Set([...(await many()), ...(await first)])).toEqual(new Set([1]))
    expect(slots[0]?.asked).toBe(2)
  })

  it('keep the counters of processes that have ended, also of several at once, and nothing else of them', async () => {
    const { slots, value } = given(1, 2, 4, 8)
    await value('counted')
    for (const slot of slots.slice(0, 3)) slot.end()
    const counted = await Promise.all([value('counted'), value('counted'), value('counted')])
    expect([...counted, await value('counted'), await value('open')]).toEqual([15, 15, 15, 15, 1])
  })

  it('do not fall by a rounding error when values are added in another order', async () => {
    expect(0.2 + 0.3 + 0.1).toBeLessThan(0.1 + 0.2 + 0.3)
    const { slots, value } = given(0.1, 0.2, 0.3)
    expect(await value('counted')).toBe(0.1 + 0.2 + 0.3)
    slots[0]?.end()
    expect(await value('counted')).toBe(0.1 + 0.2 + 0.3)
  })
})
