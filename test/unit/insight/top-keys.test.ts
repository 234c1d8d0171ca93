import { describe, expect, it } from '@jest/globals'
import type { KeyCountStore, Period, StoredCounts } from '../../../src/insight/ports.ts'
import { TopKeys } from '../../../src/insight/top-keys.ts'

const NOW_MS = Date.parse('2026-01-31T12:34:56.789Z')
const NOTHING: StoredCounts = { counts: [], error: 0 }

/** A store with these counts; by the minute or hour of a time. */
function storeWith(stored: Readonly<Record<string, StoredCounts>>): KeyCountStore {
  const nameOf = ({ unit, number }: Period) =>
    new Date(number * (unit === 'minute' ? 60_000 : 3_600_000)).toISOString().slice(0, unit === 'minute' ? 16 : 13)
  return {
    add: async () => undefined,
    read: async (_measure, period) => stored[nameOf(period)] ?? NOTHING,
  }
}

const find = (stored: Readonly<Record<string, StoredCounts>>, window: '1m' | '15m' | '6h' | '24h') =>
  new TopKeys(storeWith(stored), () => NOW_MS).find('denied', window)

describe('the top keys', () => {
  it('are sums over all periods that the window touches, with the sum of their errors', async () => {
    const count = (key: string, count: number, policy = 'user:*') => ({ key, policy, count })
    const stored = {
      '2026-01-31T12:33': { counts: [count('a', 5), count('b', 4)], error: 2 },
      '2026-01-31T12:34': { counts: [count('b', 3), count('c', 1)], error: 1 },
      '2026-01-31T12:32': { counts: [count('c', 1_000)], error: 100 },
    }
    expect(await find(stored, '1m')).toEqual({
      fromMs: Date.parse('2026-01-31T12:33:00Z'),
      toMs: NOW_MS,
      items: [count('b', 7), count('a', 5), count('c', 1)],
      maxError: 3,
    })
  })

  it('have one item for a key, with the policy of its latest period', async () => {
    const stored = {
      '2026-01-31T12:30': { counts: [{ key: 'a', policy: '*', count: 50 }], error: 0 },
      '2026-01-31T12:31': { counts: [{ key: 'a', policy: 'a', count: 2 }], error: 0 },
    }
    expect((await find(stored, '15m')).items).toEqual([{ key: 'a', policy: 'a', count: 52 }])
  })

  it('are read by the hour for long windows', async () => {
    const counts = [{ key: 'a', policy: '*', count: 1 }]
    const stored = {
      '2026-01-31T06': { counts, error: 0 },
      '2026-01-31T12': { counts, error: 0 },
      '2026-01-30T12': { counts, error: 0 },
    }
    expect(await find(stored, '6h')).toMatchObject({ fromMs: Date.parse('2026-01-31T06:00Z'), items: [{ count: 2 }] })
    expect(await find(stored, '24h')).toMatchObject({ fromMs: Date.parse('2026-01-30T12:00Z'), items: [{ count: 3 }] })
  })

  it('are read once for callers that ask at the same time', async () => {
    let reads = 0
    const store: KeyCountStore = {
      add: async () => undefined,
      read: async () => {
        reads++
        return NOTHING
      },
    }
    const top = new TopKeys(store, () => NOW_MS)
    await Promise.all([top.find('denied', '1m'), top.find('denied', '1m')])
    expect(reads).toBe(2)
    await top.find('allowed', '1m')
    expect(reads).toBe(4)
  })

  it('are store-unavailable if the store cannot be read', async () => {
    const store = { ...storeWith({}), read: () => Promise.reject(new Error('lost')) } as KeyCountStore
    await expect(new TopKeys(store, () => NOW_MS).find('denied', '1h')).rejects.toMatchObject({
      code: 'store-unavailable',
    })
  })
})
