import type { Denial, DenialRange, DenialStore } from './ports.ts'
import { readStore } from './read-store.ts'

/** Records that a page examines at most, however few of them match. */
const MAX_EXAMINED = 2_048

export interface DenialQuery extends DenialRange {
  readonly key: string | undefined
  readonly policy: string | undefined
  readonly limit: number
}

export interface DenialPage {
  /** Newest first. One on the next page may be newer by a second, if another process recorded it. */
  readonly denials: readonly Denial[]
  /** The place before which the next page begins; `undefined` at the end. */
  readonly next: string | undefined
}

interface Parts {
  readonly recordsPerPart: number
  /** Resolves when the next part may be read. */
  nextPart(): Promise<void>
}

/** Reads a page in parts. It may be short or empty although others follow. @throws {Problem} `store-unavailable` */
export async function readDenials(store: DenialStore, query: DenialQuery, parts: Parts): Promise<DenialPage> {
  const denials: Denial[] = []
  let before = query.before
  for (let examined = 0; examined < MAX_EXAMINED; examined += parts.recordsPerPart) {
    await parts.nextPart()
    const records = await readStore(store.read({ ...query, before }, parts.recordsPerPart))
    for (const { place, denial } of records) {
      before = place
      if (denial !== undefined && isAskedFor(denial, query)) denials.push(denial)
      if (denials.length === query.limit) return pageOf(denials, before)
    }
    if (records.length < parts.recordsPerPart) return pageOf(denials, undefined)
  }
  return pageOf(denials, before)
}

/** The records of several processes may be out of order by a second. */
function pageOf(denials: readonly Denial[], next: string | undefined): DenialPage {
  return { denials: denials.toSorted((a, b) => b.atMs - a.atMs), next }
}

function isAskedFor({ key, policy, atMs }: Denial, query: DenialQuery): boolean {
  if (query.key !== undefined && key !== query.key) return false
  if (query.policy !== undefined && policy !== query.policy) return false
  return atMs >= (query.fromMs ?? 0) && atMs <= (query.toMs ?? Number.POSITIVE_INFINITY)
}
