import { afterEach, describe, expect, it, jest } from '@jest/globals'
import fc from 'fast-check'
import { cursorAfter, readHistory } from '../../../console/api/history.ts'
import { versionCursor } from '../../../src/config-change/http/cursor.ts'

const KEY = 'user:größer*'

/** The history that the service has: the versions from the first to the last one. */
interface Stored {
  readonly first?: number
  readonly last: number
  readonly isDeleted?: boolean
}

let calls: string[]
afterEach(() => void jest.restoreAllMocks())

/** Makes `fetch` answer like a service with this history. */
function givenHistory({ first = 1, last, isDeleted = false }: Stored): void {
  calls = []
  const cursors = versionCursor(KEY)
  jest.spyOn(globalThis, 'fetch').mockImplementation(async url => {
    const { pathname, searchParams } = new URL(String(url), 'http://localhost')
    calls.push(pathname)
    const missing = { key: KEY, code: 'policy-not-found', detail: 'd' }
    if (!pathname.endsWith('/history')) {
      return isDeleted ? Response.json(missing, { status: 404 }) : Response.json({ key: KEY, version: last })
    }
    const cursor = searchParams.get('cursor')
    if (last === 0) return Response.json(missing, { status: 404 })
    const start = Math.max(first, (cursor === null ? 0 : cursors.decode(cursor)) + 1)
    const end = Math.min(last, start + Number(searchParams.get('limit')) - 1)
    const events = Array.from({ length: Math.max(0, end - start + 1) }, (_, i) => ({ version: start + i }))
    return Response.json({ key: KEY, events, ...(end < last && { nextCursor: cursors.encode(end) }) })
  })
}

/** The pages of the history, as pairs of a version and the one before it. */
async function pagesOf(key: string): Promise<(readonly [number, number | undefined])[][]> {
  const pages = []
  for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const page = await readHistory(key, next)
    pages.push(page.items.map(({ event, before }) => [event.version, before?.version] as const))
    next = page.next
  }
  return pages
}

/** What all pages of a history show. */
function changesOf({ first = 1, last }: Stored): (readonly [number, number | undefined])[] {
  return Array.from({ length: last - first + 1 }, (_, i) => [last - i, last - i > first ? last - i - 1 : undefined])
}

describe('the history of a policy, the newest change first', () => {
  it('is one read if it is short, and empty if there never was a policy', async () => {
    givenHistory({ last: 25 })
    expect(await pagesOf(KEY)).toEqual([changesOf({ last: 25 })])
    expect(calls).toHaveLength(1)
    givenHistory({ last: 0 })
    expect(await pagesOf(KEY)).toEqual([[]])
  })

  it.each<[string, Stored]>([
    ['just too long for one read', { last: 26 }],
    ['of several pages', { last: 75 }],
    ['of several pages and a change', { last: 76 }],
    ['that was compacted', { first: 101, last: 163 }],
    ['that was compacted to whole pages', { first: 101, last: 150 }],
    ['of a deleted policy', { last: 99, isDeleted: true }],
    ['of a deleted policy, compacted', { first: 1000, last: 1064, isDeleted: true }],
  ])('has each change once, with the one before it: %s', async (_, stored) => {
    givenHistory(stored)
    const pages = await pagesOf(KEY)
    expect(pages.flat()).toEqual(changesOf(stored))
    expect(pages.every(page => page.length > 0 && page.length <= 25)).toBe(true)
  })

  it.each([false, true])('begins with the newest of 12,345 changes, after few reads (deleted: %s)', async isDeleted => {
    givenHistory({ last: 12_345, isDeleted })
    const { items } = await readHistory(KEY)
    expect(items.map(({ event }) => event.version)).toEqual(Array.from({ length: 25 }, (_, i) => 12_345 - i))
    expect(calls.length).toBeLessThanOrEqual(isDeleted ? 25 : 3)
  })

  it('is read with the cursors of the service', () => {
    const key = fc.string({ unit: 'binary', minLength: 1 })
    const version = fc.integer({ min: 1, max: 999_999_999_999_999 })
    const property = fc.property(key, version, (name, after) =>
      expect(cursorAfter(name, after)).toBe(versionCursor(name).encode(after)),
    )
    fc.assert(property)
  })
})
