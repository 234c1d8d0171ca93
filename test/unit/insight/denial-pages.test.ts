import { beforeEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type DenialPage, type DenialQuery, readDenials } from '../../../src/insight/denial-pages.ts'
import type { Denial, DenialRecord, DenialStore } from '../../../src/insight/ports.ts'

const RECORDS_PER_PART = 128
const MAX_EXAMINED = 2_048
const NO_FILTER = { key: undefined, policy: undefined, fromMs: undefined, toMs: undefined, before: undefined }
const EVERYTHING: DenialQuery = { ...NO_FILTER, limit: 100 }

/** Records by place, oldest first. */
let records: (Denial | undefined)[]
let examined: number
let parts: number
beforeEach(() => {
  records = []
  examined = 0
  parts = 0
})

function denialAt(atMs: number, overrides: Partial<Denial> = {}): Denial {
  return {
    atMs,
    key: 'a',
    policy: '*',
    policyVersion: 1,
    violated: ['default'],
    tokens: 1,
    remaining: 0,
    retryAfterMs: 1,
    source: 'redis',
    requestId: undefined,
    ...overrides,
  }
}

const store: DenialStore = {
  add: async () => undefined,
  read: async ({ before }, limit) => {
    const end = before === undefined ? records.length : Number(before)
    const read = records.slice(Math.max(0, end - limit), end).map((denial, i): DenialRecord => {
      return { place: String(Math.max(0, end - limit) + i), denial }
    })
    examined += read.length
    return read.reverse()
  },
}

const read = (query: Partial<DenialQuery>) =>
  readDenials(
    store,
    { ...EVERYTHING, ...query },
    {
      recordsPerPart: RECORDS_PER_PART,
      nextPart: async () => void parts++,
    },
  )

async function readAll(query: Partial<DenialQuery>): Promise<readonly Denial[]> {
  const found: Denial[] = []
  let page: DenialPage | undefined
  do {
    page = await read({ ...query, before: page?.next })
    found.push(...page.denials)
  } while (page.next !== undefined)
  return found
}

describe('pages of denials', () => {
  it('have every match once, newest first, whatever the filters and the size of a page', async () => {
    const history = fc.array(fc.constantFrom('a', 'b', undefined), { maxLength: 600 })
    const query = fc.record({ key: fc.constantFrom('a', 'b', undefined), limit: fc.integer({ min: 1, max: 300 }) })
    await fc.assert(
      fc.asyncProperty(history, query, fc.nat(600), fc.nat(600), async (history, { key, limit }, fromMs, toMs) => {
        records = history.map((key, atMs) => (key === undefined ? undefined : denialAt(atMs, { key })))
        const expected = records
          .filter(denial => denial !== undefined)
          .filter(denial => denial.atMs >= fromMs && denial.atMs <= toMs && (key === undefined || denial.key === key))
        expect(await readAll({ key, limit, fromMs, toMs })).toEqual(expected.reverse())
      }),
      { numRuns: 50 },
    )
  })

  it('examine a bounded number of records, and can be empty', async () => {
    records = Array.from({ length: 5_000 }, (_, atMs) => denialAt(atMs))
    const page = await read({ key: 'other' })
    expect(page).toEqual({ denials: [], next: String(5_000 - MAX_EXAMINED) })
    expect(examined).toBe(MAX_EXAMINED)
    expect(parts).toBe(MAX_EXAMINED / RECORDS_PER_PART)
    expect(await readAll({ key: 'other' })).toEqual([])
  })

  it('read one part if that is enough', async () => {
    records = Array.from({ length: 5_000 }, (_, atMs) => denialAt(atMs))
    const page = await read({ limit: 3 })
    expect(page.denials.map(({ atMs }) => atMs)).toEqual([4_999, 4_998, 4_997])
    expect([page.next, parts]).toEqual(['4997', 1])
  })

  it('are newest first, though the records of several processes are not', async () => {
    records = [denialAt(5), denialAt(7), denialAt(6)]
    expect((await read({})).denials.map(({ atMs }) => atMs)).toEqual([7, 6, 5])
  })

  it('are store-unavailable if the store cannot be read', async () => {
    const broken = { ...store, read: () => Promise.reject(new Error('lost')) }
    const options = { recordsPerPart: RECORDS_PER_PART, nextPart: async () => undefined }
    await expect(readDenials(broken, EVERYTHING, options)).rejects.toMatchObject({ code: 'store-unavailable' })
  })
})
