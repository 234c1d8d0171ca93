import { CallFailure } from './call.ts'
import { readPolicy } from './policies.ts'
import { readByKey } from './read-by-key.ts'
import type { HistoryPage, PolicyEvent } from './types.ts'

const PER_PAGE = 25

/** A change of a policy, with the one before it, if the service still has that. */
export interface PastChange {
  readonly event: PolicyEvent
  readonly before: PolicyEvent | undefined
}

interface PastChanges {
  /** The newest one first. */
  readonly items: readonly PastChange[]
  /** The oldest version among them; undefined if there are no older changes. */
  readonly next: string | undefined
}

/**
 * Reads the history of a policy backwards. The service reads it forwards, after a version.
 * @param before a version: only older changes are read. Default: the newest ones
 */
export async function readHistory(key: string, before?: string, signal?: AbortSignal): Promise<PastChanges> {
  if (before !== undefined) return changesUntil(key, Number(before) - 1, signal)
  const { events, nextCursor } = await readAfter(key, 0, { limit: PER_PAGE, signal })
  if (nextCursor === undefined) return { items: newestFirst(events), next: undefined }
  return changesUntil(key, await lastVersion(key, events.at(-1)?.version ?? 1, signal), signal)
}

/** The changes up to a version. The one before them is read too: it says what the oldest one changed. */
async function changesUntil(key: string, last: number, signal: AbortSignal | undefined): Promise<PastChanges> {
  const start = Math.max(0, last - PER_PAGE)
  const { events } = await readAfter(key, Math.max(0, start - 1), { limit: PER_PAGE + 1, signal })
  // After a compaction, a history begins later, maybe after these changes.
  const changes = newestFirst(events.filter(({ version }) => version <= last))
  const items = changes.filter(({ event }) => event.version > start)
  const oldest = items.at(-1)
  return { items, next: oldest?.before && String(oldest.event.version) }
}

function newestFirst(events: readonly PolicyEvent[]): readonly PastChange[] {
  return events.map((event, index) => ({ event, before: events[index - 1] })).reverse()
}

/**
 * The last version of a policy. After a deletion, only the history has it, so it is searched there in 2 log₂ n short reads.
 * @param known a version that exists
 */
async function lastVersion(key: string, known: number, signal: AbortSignal | undefined): Promise<number> {
  const { policy } = await readPolicy(key, signal)
  if (policy !== undefined) return policy.version
  const exists = async (version: number) => (await readAfter(key, version - 1, { limit: 1, signal })).events.length > 0
  let last = known
  let tooLate = 2 * known
  while (await exists(tooLate)) [last, tooLate] = [tooLate, 2 * tooLate]
  while (tooLate - last > 1) {
    const middle = Math.floor((last + tooLate) / 2)
    if (await exists(middle)) last = middle
    else tooLate = middle
  }
  return last
}

interface Reading {
  readonly limit: number
  readonly signal: AbortSignal | undefined
}

/** Changes after a version, the oldest first; none if there never was a policy. */
async function readAfter(key: string, version: number, { limit, signal }: Reading): Promise<Omit<HistoryPage, 'key'>> {
  const query = { limit, cursor: version === 0 ? undefined : cursorAfter(key, version) }
  try {
    const path = { collection: 'config', key, resource: '/history' } as const
    return (await readByKey<HistoryPage>(path, { query, signal })).body
  } catch (err) {
    if (err instanceof CallFailure && err.code === 'policy-not-found') return { events: [] }
    throw err
  }
}

/** The cursor that the service issues after this version: `versionCursor` in `src/config-change/http/cursor.ts`. */
export function cursorAfter(key: string, version: number): string {
  const bytes = new TextEncoder().encode(`v${version} ${key}`)
  const base64 = btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''))
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
