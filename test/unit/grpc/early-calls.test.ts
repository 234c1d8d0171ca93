import { expect, it } from '@jest/globals'
import { EarlyCalls } from '../../../src/grpc/early-calls.ts'

const KIB = 1024

it('a client may send half a megabyte in ten seconds, over all its connections', () => {
  const calls = new EarlyCalls()
  expect(calls.allow('a', 300 * KIB, 1_000)).toBe(true)
  expect(calls.allow('a', 300 * KIB, 5_000)).toBe(false)
  expect(calls.allow('b', 512 * KIB, 5_000)).toBe(true)
  expect(calls.allow('a', 212 * KIB, 10_999)).toBe(true)
  expect(calls.allow('a', 300 * KIB, 11_000)).toBe(true)
})

it('all clients may send eight megabytes in ten seconds', () => {
  const calls = new EarlyCalls()
  const allowed = Array.from({ length: 20 }, (_, i) => calls.allow(`client ${i}`, 512 * KIB, 1_000))
  expect(allowed.filter(isAllowed => isAllowed)).toHaveLength(16)
})
