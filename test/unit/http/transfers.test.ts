import { describe, expect, it } from '@jest/globals'
import { isTooSlow, Transfers } from '../../../src/http/transfers.ts'

describe('a transfer', () => {
  it('counts from when it was first found unfinished', () => {
    const transfers = new Transfers()
    const request = {}
    expect(transfers.progress(request, 500, 1_000)).toEqual({ bytes: 0, elapsedMs: 0 })
    expect(transfers.progress(request, 700, 3_000)).toEqual({ bytes: 200, elapsedMs: 2_000 })
    transfers.end(request)
    expect(transfers.progress(request, 900, 4_000)).toEqual({ bytes: 0, elapsedMs: 0 })
  })

  it.each([
    { bytes: 0, elapsedMs: 10_000, tooSlow: false },
    { bytes: 0, elapsedMs: 10_001, tooSlow: true },
    { bytes: 4_096, elapsedMs: 11_000, tooSlow: false },
    { bytes: 4_096, elapsedMs: 11_001, tooSlow: true },
    { bytes: 4_096 * 600, elapsedMs: 610_000, tooSlow: false },
  ])('of $bytes bytes in $elapsedMs ms is too slow: $tooSlow', ({ tooSlow, ...transfer }) => {
    expect(isTooSlow(transfer)).toBe(tooSlow)
  })
})
