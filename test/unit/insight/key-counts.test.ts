import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { KeyCounts } from '../../../src/insight/key-counts.ts'
import { MEASURES } from '../../../src/insight/ports.ts'
import { runs } from '../../support/property-runs.ts'

const CAPACITY = 16
const DENIED = MEASURES.indexOf('denied')
const TOKENS = MEASURES.indexOf('tokens')

/** Sums by key. */
class Sums extends Map<string, number> {
  add(key: string, weight: number): void {
    this.set(key, this.of(key) + weight)
  }

  of(key: string): number {
    return this.get(key) ?? 0
  }
}

const counted = fc.record({
  key: fc.integer({ min: 0, max: 60 }).map(String),
  column: fc.constantFrom(DENIED, TOKENS),
  weight: fc.integer({ min: 1, max: 50 }),
})
const REPORT = 'report'

describe('the counts of keys', () => {
  it('bound the true number of every key, whatever is evicted and whenever it is reported', () => {
    const history = fc.array(fc.oneof({ weight: 12, arbitrary: counted }, fc.constant(REPORT)), { maxLength: 400 })
    fc.assert(
      fc.property(history, history => {
        const counts = new KeyCounts<string>(CAPACITY)
        const truth = MEASURES.map(() => new Sums())
        const reported = MEASURES.map(() => new Sums())
        for (const event of [...history, REPORT]) {
          if (typeof event === 'string') expectBounds(counts, truth, reported)
          else {
            counts.add(counts.rowOf(event.key, ''), event.column, event.weight)
            truth[event.column]?.add(event.key, event.weight)
          }
        }
      }),
      runs(200, 5_000),
    )
  })

  it('are exact as long as there are few keys, and have the last label of each', () => {
    const counts = new KeyCounts<string>(CAPACITY)
    for (let i = 0; i < CAPACITY; i++) counts.add(counts.rowOf(String(i), 'old'), DENIED, i + 1)
    counts.add(counts.rowOf('3', 'new'), DENIED, 10)
    const { growths, error } = counts.report('denied')
    expect(error).toBe(0)
    expect(growths.length).toBe(CAPACITY)
    expect(growths[3]).toEqual({ key: '3', label: 'new', growth: 14 })
    expect(counts.report('denied')).toEqual({ growths: [], error: 0 })
  })

  it('err by a small part of the total, for any number of keys', () => {
    const counts = new KeyCounts<undefined>()
    const total = 300_000
    for (let i = 0; i < total; i++) counts.add(counts.rowOf(`user:${i}`, undefined), DENIED, 1)
    expect(counts.report('denied').error).toBeLessThan(total / 2_000)
  })

  it('report keys with a thousandth of the total, and the hundred largest', () => {
    const counts = new KeyCounts<undefined>()
    for (let i = 0; i < 5_000; i++) counts.add(counts.rowOf(`user:${i}`, undefined), DENIED, 10)
    for (let i = 0; i < 300; i++) counts.add(counts.rowOf(`large:${i}`, undefined), DENIED, 100)
    expect(counts.report('denied').growths.map(({ key }) => key)).toEqual(
      Array.from({ length: 300 }, (_, i) => `large:${i}`),
    )
    counts.clear()
    for (let i = 0; i < 5_000; i++) counts.add(counts.rowOf(`user:${i}`, undefined), DENIED, 1)
    expect(counts.report('denied')).toMatchObject({ growths: { length: 100 }, error: 1 })
  })

  it('begin anew when they are cleared', () => {
    const counts = new KeyCounts<undefined>(CAPACITY)
    for (let i = 0; i < 100; i++) counts.add(counts.rowOf(String(i), undefined), DENIED, 5)
    counts.clear()
    counts.add(counts.rowOf('1', undefined), DENIED, 2)
    expect(counts.report('denied')).toEqual({ growths: [{ key: '1', label: undefined, growth: 2 }], error: 0 })
  })
})

function expectBounds(counts: KeyCounts<string>, truth: readonly Sums[], reported: readonly Sums[]): void {
  for (const [column, measure] of MEASURES.entries()) {
    const { growths, error } = counts.report(measure)
    for (const { key, growth } of growths) reported[column]?.add(key, growth)
    for (const [key, number] of truth[column] ?? []) {
      const lower = reported[column]?.of(key) ?? 0
      expect(number).toBeGreaterThanOrEqual(lower)
      expect(number).toBeLessThanOrEqual(lower + error)
    }
  }
}
