import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { KeyRows } from '../../../src/insight/key-rows.ts'
import { runs } from '../../support/property-runs.ts'

const CAPACITY = 8

describe('the rows of keys', () => {
  it('are numbered in the order in which keys come', () => {
    const rows = rowsOf(['a', 'b', ''])
    expect(['a', 'b', '', 'c'].map(key => rows.find(key))).toEqual([0, 1, 2, -1])
    expect([0, 1, 2].map(row => rows.keyOf(row))).toEqual(['a', 'b', ''])
    expect(rows.size).toBe(3)
  })

  it('are found again after others were forgotten', () => {
    const rows = rowsOf(['a', 'b', 'c', 'd'])
    rows.keep([1, 3])
    expect(['a', 'b', 'c', 'd'].map(key => rows.find(key))).toEqual([-1, 0, -1, 1])
    rows.append('e')
    expect(rows.find('e')).toBe(2)
    rows.keep([])
    expect(rows.size).toBe(0)
    expect(rows.find('b')).toBe(-1)
  })

  it('are those of a map, for any keys up to the capacity', () => {
    const keys = fc.uniqueArray(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: CAPACITY })
    fc.assert(
      fc.property(keys, fc.array(fc.string()), (keys, others) => {
        const rows = rowsOf(keys)
        const expected = new Map(keys.map((key, row) => [key, row]))
        for (const key of [...keys, ...others]) expect(rows.find(key)).toBe(expected.get(key) ?? -1)
      }),
      runs(200, 5_000),
    )
  })
})

function rowsOf(keys: readonly string[]): KeyRows {
  const rows = new KeyRows(CAPACITY)
  for (const key of keys) rows.append(key)
  return rows
}
