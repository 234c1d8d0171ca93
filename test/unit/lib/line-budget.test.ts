import { describe, expect, it } from '@jest/globals'
import { LineBudget } from '../../../src/lib/line-budget.ts'

describe('a budget of lines', () => {
  it('allows a number of lines a second, and counts the suppressed ones', () => {
    let now = 0
    const budget = new LineBudget(2, () => now)
    expect([budget.take(), budget.take(), budget.take(), budget.take()]).toEqual([0, 0, undefined, undefined])
    now = 999
    expect(budget.take()).toBeUndefined()
    now = 1_000
    expect([budget.take(), budget.take(), budget.take()]).toEqual([3, 0, undefined])
  })
})
