import { expect, it } from '@jest/globals'
import { fieldLines, tableOf } from '../../../src/cli/tables.ts'

it('fields are aligned, and left out if they have no value', () => {
  expect(fieldLines({ key: 'user:*', version: 3, nothing: undefined, then: null })).toBe(
    'key      user:*\nversion  3\nthen     null\n',
  )
})

it('a table has a column for each member of its rows', () => {
  const rows = [
    { name: 'burst', capacity: 100 },
    { name: 'monthly', capacity: 1_000_000, period: 'month' },
  ]
  expect(tableOf(rows)).toBe('name     capacity  period\nburst    100\nmonthly  1000000   month\n')
})

it('columns are as wide as their characters', () => {
  expect(
    tableOf([
      { a: '🙂🙂🙂', b: 1 },
      { a: 'xy', b: 2 },
    ]),
  ).toBe('a    b\n🙂🙂🙂  1\nxy   2\n')
})

it('control characters are shown as escape sequences', () => {
  expect(fieldLines({ key: 'a\u001b[1m\nb\u202e' })).toBe('key  a\\u001b[1m\\u000ab\\u202e\n')
})
