import { expect, it } from '@jest/globals'
import { RefusedCalls } from '../../../src/grpc/refused-calls.ts'

const KIB = 1024

it('a client may send a mebibyte in ten seconds, over all its connections, and more than two are a flood', () => {
  const calls = new RefusedCalls()
  expect(calls.count('a', 700 * KIB, 1_000)).toBe('fits')
  expect(calls.count('a', 700 * KIB, 5_000)).toBe('too-much')
  expect(calls.count('b', 1_024 * KIB, 5_000)).toBe('fits')
  expect(calls.count('a', 700 * KIB, 10_999)).toBe('flood')
  expect(calls.count('a', 700 * KIB, 11_000)).toBe('fits')
})

it('all clients may send eight mebibytes in ten seconds, and no client is barred for what others have sent', () => {
  const calls = new RefusedCalls()
  const results = Array.from({ length: 20 }, (_, i) => calls.count(`client ${i}`, 512 * KIB, 1_000))
  expect(results.filter(result => result === 'fits')).toHaveLength(16)
  expect(results.slice(16)).toEqual(Array(4).fill('too-much'))
})

it('sixteen connections of a client may end in ten seconds since they reset too many calls, and one more is a flood', () => {
  const calls = new RefusedCalls()
  const areFloods = Array.from({ length: 17 }, (_, i) => calls.countResetting('a', 1_999, 1_000 + i))
  expect(areFloods).toEqual([...Array(16).fill(false), true])
  expect(calls.countResetting('b', 1_999, 2_000)).toBe(false)
})

it('a connection that had been open for two seconds counts a sixth: an Envoy has one for each thread', () => {
  const calls = new RefusedCalls()
  const areFloods = Array.from({ length: 97 }, (_, i) => calls.countResetting('a', 2_000, 1_000 + i))
  expect(areFloods).toEqual([...Array(96).fill(false), true])
})
