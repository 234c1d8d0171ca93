import { describe, expect, it } from '@jest/globals'
import { PacedReads } from '../../../src/insight/paced-reads.ts'
import {
  type KeyCount,
  type KeyCountStore,
  MEASURES,
  type Period,
  type StoredCounts,
} from '../../../src/insight/ports.ts'
import { TopKeys } from '../../../src/insight/top-keys.ts'
import { WINDOWS } from '../../../src/insight/windows.ts'

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

function topOf(store: KeyCountStore, now = () => NOW_MS): TopKeys {
  return new TopKeys({ store, reads: new PacedReads(new AbortController().signal), now })
}

/** A store whose periods all have these counts. It notes what is read. */
class SteadyStore implements KeyCountStore {
  readonly periods: string[] = []
  mostAtOnce = 0
  readonly #counts: readonly KeyCount[]
  #underWay = 0

  constructor(counts: readonly KeyCount[]) {
    this.#counts = counts
  }

  async add(): Promise<void> {}

  async read(_measure: unknown, { unit, number }: Period): Promise<StoredCounts> {
    this.periods.push(`${unit} ${number}`)
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#underWay)
    await Promise.resolve()
    this.#underWay--
    return { counts: this.#counts, error: 1 }
  }
}

/** Counts the rows that are looked at in each turn of the event loop. */
class TurnWatch {
  readonly rowsByTurn = new Map<number, number>()
  #turn = 0
  #timer = setImmediate(() => this.#next())

  noteRow(): void {
    this.rowsByTurn.set(this.#turn, (this.rowsByTurn.get(this.#turn) ?? 0) + 1)
  }

  stop(): void {
    clearImmediate(this.#timer)
  }

  #next(): void {
    this.#turn++
    this.#timer = setImmediate(() => this.#next())
  }
}

const find = (stored: Readonly<Record<string, StoredCounts>>, window: '1m' | '15m' | '6h' | '24h') =>
  topOf(storeWith(stored)).find('denied', window)

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
    const top = topOf(store)
    await Promise.all([top.find('denied', '1m'), top.find('denied', '1m')])
    expect(reads).toBe(2)
    await top.find('allowed', '1m')
    expect(reads).toBe(4)
  })

  it('are store-unavailable if the store cannot be read', async () => {
    const store = { ...storeWith({}), read: () => Promise.reject(new Error('lost')) } as KeyCountStore
    await expect(topOf(store).find('denied', '1h')).rejects.toMatchObject({
      code: 'store-unavailable',
    })
  })

  it('are read one measure and window at a time', async () => {
    const store = new SteadyStore([])
    const top = topOf(store)
    await Promise.all(MEASURES.flatMap(measure => WINDOWS.map(window => top.find(measure, window))))
    expect(store.mostAtOnce).toBe(1)
  })

  it('read a period that has ended once for all windows', async () => {
    const store = new SteadyStore([{ key: 'a', policy: '*', count: 1 }])
    const top = topOf(store)
    expect(await top.find('denied', '15m')).toMatchObject({ items: [{ count: 16 }], maxError: 16 })
    expect(await top.find('denied', '1h')).toMatchObject({ items: [{ count: 61 }], maxError: 61 })
    const again = store.periods.filter((period, i) => store.periods.indexOf(period) < i)
    const minutesAgo = (minutes: number) => `minute ${Math.floor(NOW_MS / 60_000) - minutes}`
    // Processes may not have reported all of the last two minutes.
    expect(again).toEqual([minutesAgo(0), minutesAgo(1), minutesAgo(2)])
  })

  it('are merged in parts, each in a turn of the event loop', async () => {
    const turns = new TurnWatch()
    const counts = Array.from({ length: 3_000 }, (_, i) => ({
      get key() {
        turns.noteRow()
        return `user:${i}`
      },
      policy: '*',
      count: i,
    }))
    const { items } = await topOf(new SteadyStore(counts)).find('denied', '1m')
    turns.stop()
    expect(items[0]).toEqual({ key: 'user:2999', policy: '*', count: 5_998 })
    const rows = [...turns.rowsByTurn.values()]
    expect(rows.reduce((sum, row) => sum + row, 0)).toBe(6_000)
    // A timer and an immediate of one turn may both begin a part of 500.
    expect(Math.max(...rows)).toBeLessThanOrEqual(1_000)
  })
})
