import { describe, expect, it } from '@jest/globals'
import { Transfers } from '../../../src/connections/transfers.ts'

const LIMIT_MS = 10_000

describe('a transfer', () => {
  it('has the whole limit from when it was first found unfinished', () => {
    const transfers = new Transfers(LIMIT_MS)
    const request = {}
    expect(transfers.leftMs(request, 500, 1_000)).toBe(LIMIT_MS)
    expect(transfers.leftMs(request, 500, 4_000)).toBe(LIMIT_MS - 3_000)
    transfers.end(request)
    expect(transfers.leftMs(request, 500, 5_000)).toBe(LIMIT_MS)
  })

  it('has more time for each byte, as 4 KiB take a second', () => {
    const transfers = new Transfers(LIMIT_MS)
    const request = {}
    transfers.leftMs(request, 0, 0)
    expect(transfers.leftMs(request, 4_096, 6_000)).toBe(LIMIT_MS - 5_000)
    expect(transfers.leftMs(request, 3 * 4_096, 6_000)).toBe(LIMIT_MS - 3_000)
  })

  it('that begins with a burst and then stalls has no time left after the limit', () => {
    const transfers = new Transfers(LIMIT_MS)
    const request = {}
    transfers.leftMs(request, 0, 0)
    expect(transfers.leftMs(request, 8_000_000, 250)).toBe(LIMIT_MS)
    expect(transfers.leftMs(request, 8_000_000, 10_249)).toBe(1)
    expect(transfers.leftMs(request, 8_000_000, 10_250)).toBe(0)
  })

  it('of a constant 4 KiB a second always has time left', () => {
    const transfers = new Transfers(LIMIT_MS)
    const request = {}
    const left = Array.from({ length: 600 }, (_, s) => transfers.leftMs(request, s * 4_096, s * 1_000))
    expect(new Set(left)).toEqual(new Set([LIMIT_MS]))
  })

  it('of 50 KB a second in steps of 1.5 MB, as the kernel takes them, has time left within 32 s', () => {
    const transfers = new Transfers(32_000)
    const request = {}
    const left = Array.from({ length: 2_400 }, (_, look) => {
      const ms = look * 250
      return transfers.leftMs(request, 4_000_000 + Math.floor((ms * 50) / 1_520_000) * 1_520_000, ms)
    })
    expect(Math.min(...left)).toBeGreaterThan(0)
  })
})
