import { describe, expect, it } from '@jest/globals'
import { readJsonRequest } from '../../../../src/check/envoy/json-request.ts'

const MAX_UINT64 = '18446744073709551615'
const UINT64 = `${MAX_UINT64}, as text above 9007199254740991`
const refusal = (range: string, given: unknown) =>
  `must be an integer between 0 and ${range}; was ${JSON.stringify(given)}`

function hitsOf(hitsAddend: unknown): number | undefined {
  return readJsonRequest({ domain: 'd', descriptors: [{ hitsAddend }] }).descriptors[0]?.hits
}

describe('the hits of a descriptor', () => {
  it.each([
    ['0', 0],
    [7, 7],
    ['007', 7],
    [MAX_UINT64, 2 ** 64],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ])('can be %j', (given, hits) => {
    expect(hitsOf(given)).toBe(hits)
  })

  it.each(['18446744073709551616', '9'.repeat(21), 2 ** 53, -1, 1.5, '-1', '1e3', '', ' 1', true])(
    'cannot be %j',
    given => {
      expect(() => hitsOf(given)).toThrow(refusal(UINT64, given))
    },
  )
})

describe('the hits of a request', () => {
  it('have 32 bits', () => {
    const read = (hitsAddend: unknown) => readJsonRequest({ domain: 'd', descriptors: [], hitsAddend })
    expect(read('4294967295').hitsAddend).toBe(2 ** 32 - 1)
    for (const given of ['4294967296', 2 ** 32]) expect(() => read(given)).toThrow(refusal('4294967295', given))
  })
})
