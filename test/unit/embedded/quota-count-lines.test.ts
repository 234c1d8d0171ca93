import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { lengthOf, lineOf, parseLine, type QuotaCount } from '../../../src/embedded/quota-count-lines.ts'

const key = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('"', '\\', 'a\u0001', '\ud800', 'é', '\u007f'),
)
const count: fc.Arbitrary<QuotaCount> = fc.record({
  value: fc.uint8Array({ minLength: 1, maxLength: 100 }).map(bytes => Buffer.from(bytes).toString('hex')),
  expiresAt: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
})

it('a line is read as it was written, and its length is known without it', () => {
  fc.assert(
    fc.property(key, count, (key, count) => {
      const line = lineOf(key, count)
      expect(parseLine(line)).toEqual({ key, count })
      expect(lengthOf(key, count)).toBe(Buffer.byteLength(line))
    }),
  )
})

it('a line without a count says that the bucket is gone', () => {
  expect(parseLine(lineOf('a', undefined))).toEqual({ key: 'a', count: undefined })
})
