import { describe, expect, it } from '@jest/globals'
import { OutcomeHistory } from '../../../src/insight/outcome-history.ts'
import { OutcomeTally } from '../../../src/insight/outcome-tally.ts'
import { PacedReads } from '../../../src/insight/paced-reads.ts'
import { COARSE_GRAIN, FINE_GRAIN, type Grain, type OutcomeStore } from '../../../src/insight/ports.ts'
import { WINDOW_MS, WINDOWS } from '../../../src/insight/windows.ts'
import { decisionOf } from '../../support/decisions.ts'

const NOW_MS = Date.parse('2026-01-31T12:34:56.789Z')

/** A store in which every grain has as many allowed checks as it has milliseconds. */
function storeWithSteadyChecks(): OutcomeStore & { readonly reads: { grain: Grain; fromMs: number; toMs: number }[] } {
  const reads: { grain: Grain; fromMs: number; toMs: number }[] = []
  return {
    reads,
    add: async () => undefined,
    read: async (grain, fromMs, toMs) => {
      reads.push({ grain, fromMs, toMs })
      const counts = { allowed: grain.ms, denied: 1, shadowed: 0, error: 0 }
      return Array.from({ length: (toMs - fromMs) / grain.ms }, () => counts)
    },
  }
}

function historyOf(store: OutcomeStore): OutcomeHistory {
  return new OutcomeHistory({ store, reads: new PacedReads(new AbortController().signal), now: () => NOW_MS })
}

describe('the series of outcomes', () => {
  it.each(WINDOWS)('covers the window %s in steps that have ended', async window => {
    const store = storeWithSteadyChecks()
    const { fromMs, toMs, stepMs, series } = await historyOf(store).read(window)
    expect(toMs - fromMs).toBe(WINDOW_MS[window])
    expect(toMs % stepMs).toBe(0)
    expect(NOW_MS - toMs).toBeGreaterThanOrEqual(2_000)
    expect(NOW_MS - toMs).toBeLessThan(stepMs + 2_000)
    expect(series.allowed).toEqual(new Array(WINDOW_MS[window] / stepMs).fill(stepMs))
    expect(series.error).toEqual(new Array(WINDOW_MS[window] / stepMs).fill(0))
    const [read] = store.reads
    expect(read?.grain).toBe(stepMs < COARSE_GRAIN.ms ? FINE_GRAIN : COARSE_GRAIN)
    expect(NOW_MS - fromMs).toBeLessThan(read?.grain.keptMs ?? 0)
  })

  it('is read once for callers that ask at the same time, and in parts', async () => {
    const store = storeWithSteadyChecks()
    const history = historyOf(store)
    const [first, second] = await Promise.all([history.read('24h'), history.read('24h')])
    expect(second).toBe(first)
    const grains = store.reads.map(({ grain, fromMs, toMs }) => (toMs - fromMs) / grain.ms)
    expect(grains.reduce((sum, read) => sum + read, 0)).toBe(1_440)
    expect(Math.max(...grains)).toBe(120)
  })

  it('is read for one window at a time', async () => {
    let [underWay, most] = [0, 0]
    const store = storeWithSteadyChecks()
    const history = historyOf({
      ...store,
      read: async (...range) => {
        most = Math.max(most, ++underWay)
        const counts = await store.read(...range)
        underWay--
        return counts
      },
    })
    await Promise.all(WINDOWS.map(window => history.read(window)))
    expect(most).toBe(1)
  })

  it('is store-unavailable if the store cannot be read', async () => {
    const store = { ...storeWithSteadyChecks(), read: () => Promise.reject(new Error('lost')) }
    await expect(historyOf(store).read('1m')).rejects.toMatchObject({ code: 'store-unavailable' })
  })
})

describe('the tally of outcomes', () => {
  it('counts each check once, and begins anew when it is taken', () => {
    const tally = new OutcomeTally()
    expect(tally.take()).toBeUndefined()
    tally.decided(decisionOf({ allowed: true }))
    tally.decided(decisionOf({ allowed: true, shadowed: true }))
    tally.decided(decisionOf({ allowed: false }))
    tally.decided(decisionOf({ allowed: false }))
    tally.undecided()
    expect(tally.take()).toEqual({ allowed: 1, denied: 2, shadowed: 1, error: 1 })
    expect(tally.take()).toBeUndefined()
  })
})
