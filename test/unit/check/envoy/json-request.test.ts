import { describe, expect, it } from '@jest/globals'
import { readJsonRequest } from '../../../../src/check/envoy/json-request.ts'

const MAX_UINT64 = '18446744073709551615'
const refusal = (max: string, given: unknown) => `must be an integer between 0 and ${max}; was ${JSON.stringify(given)}`

function hitsOf(hitsAddend: unknown): number | undefined {
  return readJsonRequest({ domain: 'd', descriptors: [{ hitsAddend }] }).descriptors[0]?.hits
}

describe('the hits of a descriptor', () => {
  it.each([
    ['0', 0],
    [7, 7],
    ['007', 7],
    [MAX_UINT64, 2 ** 64],
    // As the parser of JSON rounds the largest number.
    [2 ** 64, 2 ** 64],
  ])('can be %j', (given, hits) => {
    expect(hitsOf(given)).toBe(hits)
  })

  it.each(['18446744073709551616', '9'.repeat(21), 2 ** 65, -1, 1.5, '-1', '1e3', '', ' 1', true])(
    'cannot be %j',
    given => {
      expect(() => hitsOf(given)).toThrow(refusal(MAX_UINT64, given))
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
