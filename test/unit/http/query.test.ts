import { expect, it } from '@jest/globals'
import { countParameters, parseQuery } from '../../../src/http/query.ts'
import { collectGarbage } from '../../support/garbage.ts'

it('a query of at most a hundred parameters is read', () => {
  const query = parseQuery(`key=a&key=b+c&${Array.from({ length: 98 }, (_, i) => `p${i}=%41`).join('&')}`)
  expect(query).toMatchObject({ key: ['a', 'b c'], p0: 'A', p97: 'A' })
  expect(countParameters(query)).toBe(99)
})

it.each([
  ['different ones', Array.from({ length: 101 }, (_, i) => `p${i}`).join('&'), 101],
  ['the same one', 'key=a&'.repeat(2_000), 2_001],
  ['empty ones before another', `${'&'.repeat(100)}by=tokens`, 101],
])('one of more is only counted: %s', (_, query, count) => {
  expect(Object.keys(parseQuery(query))).toEqual([])
  expect(countParameters(parseQuery(query))).toBe(count)
})

it('a value does not keep the target of its request in memory', () => {
  const targets = 500
  const host = 'h'.repeat(14_000)
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const keys = Array.from({ length: targets }, (_, i) => {
    const target = Buffer.from(`http://${host}/forward-auth?key=customer:${i}:requests`).toString()
    return parseQuery(target.slice(target.indexOf('?') + 1))['key']
  })
  collectGarbage()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan((targets * host.length) / 2)
  expect(keys).toHaveLength(targets)
})
