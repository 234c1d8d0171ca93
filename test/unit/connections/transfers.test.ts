import { describe, expect, it } from '@jest/globals'
import { Transfers } from '../../../src/connections/transfers.ts'

describe('a transfer', () => {
  it('is measured from when it was first found unfinished', () => {
    const transfers = new Transfers()
    const request = {}
    expect(transfers.progress(request, 500, 1_000)).toEqual({ bytes: 0, elapsedMs: 0 })
    expect(transfers.progress(request, 700, 3_000)).toEqual({ bytes: 200, elapsedMs: 2_000 })
    transfers.end(request)
    expect(transfers.progress(request, 900, 4_000)).toEqual({ bytes: 0, elapsedMs: 0 })
  })

  it('that begins with a burst and then stalls is too slow ten seconds later', () => {
    const transfers = new Transfers()
    const request = {}
    const slowAt = [0, 5_000, 10_000, 15_000, 20_000].filter(nowMs =>
      transfers.isTooSlow(transfers.progress(request, nowMs === 0 ? 0 : 8_000_000, nowMs)),
    )
    expect(slowAt).toEqual([20_000])
  })

  it('of a constant 4 KiB a second is never too slow', () => {
    const transfers = new Transfers()
    const request = {}
    for (let s = 0; s < 600; s++)
      expect(transfers.isTooSlow(transfers.progress(request, s * 4_096, s * 1_000))).toBe(false)
  })

  it.each([
    { bytes: 0, elapsedMs: 9_999, tooSlow: false },
    { bytes: 0, elapsedMs: 10_000, tooSlow: true },
    { bytes: 40_960, elapsedMs: 10_000, tooSlow: false },
    { bytes: 40_959, elapsedMs: 10_000, tooSlow: true },
  ])('of $bytes bytes in $elapsedMs ms is too slow: $tooSlow', ({ tooSlow, ...transfer }) => {
    expect(new Transfers().isTooSlow(transfer)).toBe(tooSlow)
  })
})
