import { expect, it } from '@jest/globals'
import { BarredClients } from '../../../src/grpc/barred-clients.ts'

it('a client is barred for ten seconds after its last flood', () => {
  const barred = new BarredClients()
  barred.bar('a', 1_000)
  barred.bar('b', 2_000)
  barred.bar('a', 3_000)
  const at = (nowMs: number) => {
    barred.look(nowMs)
    return ['a', 'b', 'c'].filter(client => barred.has(client, nowMs))
  }
  expect(at(11_999)).toEqual(['a', 'b'])
  expect(at(12_000)).toEqual(['a'])
  expect(at(13_000)).toEqual([])
})
