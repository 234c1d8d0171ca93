import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { FleetMetrics } from '../../../src/processes/fleet-metrics.ts'
import type { FromChild, MetricsSnapshot, ToChild } from '../../../src/processes/messages.ts'
import { SERIES_PER_PIECE } from '../../../src/processes/metrics-pieces.ts'
import { MetricsReports } from '../../../src/processes/metrics-reports.ts'
import type { ParentLink } from '../../../src/processes/parent-link.ts'
import type { SupervisedProcess } from '../../../src/processes/supervised-process.ts'
import { metricOf } from '../../support/metrics-snapshots.ts'

/** A slot whose process has these metrics. */
class Slot extends EventEmitter {
  readonly #child = Object.assign(new EventEmitter(), {
    connected: true,
    send: (message: ToChild, written: () => void) => this.#ask(message, written),
  })
  readonly #questions = new EventEmitter<{ message: [ToChild] }>()
  readonly #reports: MetricsReports
  metrics: MetricsSnapshot
  isDraining = false
  /** How often it was asked for a report. */
  asked = 0
  /** Series in each message that it sent. */
  readonly seriesSent: number[] = []

  constructor(metrics: MetricsSnapshot) {
    super()
    this.metrics = metrics
    const parent = {
      send: (message: FromChild) => this.#send(message),
      sendAndFlush: async (message: FromChild) => this.#send(message),
      onMessage: (listener: (message: ToChild) => void) => this.#questions.on('message', listener),
    } as unknown as ParentLink
    const registry = { getMetricsAsJSON: async () => this.metrics } as ConstructorParameters<typeof MetricsReports>[0]
    this.#reports = new MetricsReports(registry, parent)
  }

  get ready(): readonly ChildProcess[] {
    return this.#child.connected ? [this.#child as unknown as ChildProcess] : []
  }

  get working(): readonly ChildProcess[] {
    return this.isDraining ? [] : this.ready
  }

  #ask(message: ToChild, written: () => void): void {
    if (message.type === 'collect' && message.index === 0) this.asked++
    this.#questions.emit('message', message)
    written()
  }

  #send(message: FromChild): void {
    if (message.type === 'metrics-piece') this.seriesSent.push(message.piece.flatMap(({ series }) => series).length)
    this.emit('message', message, this.#child)
    this.#child.emit('message', message)
  }

  sendFinal(): Promise<void> {
    return this.#reports.sendFinal()
  }

  end(): void {
    this.#child.connected = false
    this.emit('gone', this.#child)
    this.#child.emit('close')
  }
}

function givenFleet(processes: readonly MetricsSnapshot[], others: readonly MetricsSnapshot[] = []) {
  const slots = processes.map(metrics => new Slot(metrics))
  const fleet = new FleetMetrics({
    slots: slots as unknown as SupervisedProcess[],
    others: async () => others,
    intervalMs: 0,
  })
  return { slots, fleet, text: async () => (await fleet.collect()).join('') }
}

/** Processes with these values of their counters. */
function given(...counts: readonly number[]) {
  const { slots, text } = givenFleet(
    counts.map(count => [metricOf('counted', { values: [count] }), metricOf('open', { type: 'gauge', values: [1] })]),
  )
  const value = async (name: string) => Number(new RegExp(`^${name}{.*} (.*)$`, 'm').exec(await text())?.[1])
  return { slots, value }
}

const MANY = 5 * SERIES_PER_PIECE + 7

function manySeries(value: number): MetricsSnapshot {
  return [metricOf('counted', { values: Array.from({ length: MANY }, (_, i) => i + value) })]
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

  it('have what a process counts while it drains, and no more of it once it has ended', async () => {
    const { slots, value } = given(1, 2)
    const [draining] = slots
    if (draining !== undefined) {
      draining.isDraining = true
      draining.metrics = [metricOf('counted', { values: [10] })]
    }
    expect(await value('counted')).toBe(12)
    await draining?.sendFinal()
    expect(await value('counted')).toBe(12)
    draining?.end()
    expect(await value('counted')).toBe(12)
  })

  it('have series of their own for the first 1,000 policies of all processes and their predecessors', async () => {
    const countsOf = (plans: readonly string[]) =>
      ['exact', ...plans].map(policy => ({ labels: { text: 'a,policy=', policy, limit: 'hour' }, value: 1 }))
    const counted = (plans: readonly string[]) => ({ ...metricOf('counted', { values: [] }), values: countsOf(plans) })
    const plans = (from: number) => Array.from({ length: 700 }, (_, i) => `plan:${from + i}`)
    const { slots, text } = givenFleet([[counted(plans(0))], [counted(plans(500))], [counted(plans(5_000))]])
    const series = async () => {
      const lines = (await text()).matchAll(/^counted{text="a,policy=",policy="(.*)",limit="hour"} (.*)$/gm)
      return new Map([...lines].map(([, policy = '', value]) => [policy, Number(value)]))
    }
    const before = await series()
    slots[0]?.end()
    for (const found of [before, await series()]) {
      expect(found.size).toBe(1_002)
      expect([found.get('exact'), found.get('plan:0'), found.get('plan:600')]).toEqual([3, 1, 2])
      expect(found.get('other')).toBe(3 * 700 - 1_000 - 200)
    }
  })

  it('do not fall by a rounding error when values are added in another order', async () => {
    expect(0.2 + 0.3 + 0.1).toBeLessThan(0.1 + 0.2 + 0.3)
    const { slots, value } = given(0.1, 0.2, 0.3)
    expect(await value('counted')).toBe(0.1 + 0.2 + 0.3)
    slots[0]?.end()
    expect(await value('counted')).toBe(0.1 + 0.2 + 0.3)
  })

  it('have those of the primary and of the supervisor after them', async () => {
    const { text } = givenFleet(
      [[metricOf('counted', { values: [1] })]],
      [[metricOf('replaced', { values: [2] })], [metricOf('replaced', { values: [3, 4] })]],
    )
    expect(await text()).toBe(`\
# HELP counted about counted
# TYPE counted counter
counted{series="0"} 1

# HELP replaced about replaced
# TYPE replaced counter
replaced{series="0"} 5
replaced{series="1"} 4
`)
  })
})

describe('many series', () => {
  it('are complete, though each message of a process has at most 500 of them', async () => {
    const { slots, text } = givenFleet([manySeries(1), manySeries(2)])
    const lines = (await text()).split('\n').filter(line => line.startsWith('counted'))
    expect(lines).toEqual(Array.from({ length: MANY }, (_, i) => `counted{series="${i}"} ${2 * i + 3}`))
    for (const { seriesSent } of slots) expect(seriesSent).toEqual([500, 500, 500, 500, 500, 7])
  })

  it('are written in texts of at most 500 lines of values', async () => {
    const { fleet } = givenFleet([manySeries(1)])
    const values = (await fleet.collect()).map(text => text.match(/^counted/gm)?.length)
    expect(values).toEqual([500, 500, 500, 500, 500, 7])
  })

  it('of a process that ends are those that it reported last, also if it was being asked', async () => {
    const { slots, text } = givenFleet([manySeries(1)])
    const collected = text()
    await slots[0]?.sendFinal()
    slots[0]?.end()
    expect((await collected).match(/^counted/gm)).toHaveLength(MANY)
    expect((await text()).match(/^counted/gm)).toHaveLength(MANY)
  })
})
