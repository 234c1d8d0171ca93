import { expect, it } from '@jest/globals'
import { RecentClients } from '../../../src/lib/recent-clients.ts'

it('a client is recent for a while after it was added the last time', () => {
  const recent = new RecentClients(10_000)
  recent.add('a', 1_000)
  recent.add('b', 2_000)
  recent.add('a', 3_000)
  const at = (nowMs: number) => {
    recent.forget(nowMs)
    return ['a', 'b', 'c'].filter(client => recent.has(client, nowMs))
  }
  expect(at(11_999)).toEqual(['a', 'b'])
  expect(at(12_000)).toEqual(['a'])
  expect(at(13_000)).toEqual([])
})
