import { isDeepStrictEqual } from 'node:util'
import type { PolicyRecord } from '../../domain/policy-record.ts'
import { endOf } from '../../domain/temporary-policy.ts'
import { inChunks } from '../../lib/keyed-chunks.ts'
import type {
  FoundName,
  FoundProjection,
  FoundRecord,
  Listing,
  LogBounds,
  MaintainedPartition,
  MaintainedProjection,
  Progress,
  ProjectionDamage,
} from './ports.ts'
import { Replay } from './replay.ts'

/** A place where the projection does not match the log, or where the log itself is faulty. */
export interface Difference {
  readonly partition: number
  readonly where: 'log' | 'policies' | 'names' | 'ends' | 'versions'
  /** Absent for the log. */
  readonly key?: string
  readonly detail: string
}

/**
 * Replays the partition's log and compares it with the projection, while changes continue. What cannot be read at all, or
 * expires, is reported and not compared.
 */
export async function* verifyPartition(
  { number, log, projection }: MaintainedPartition,
  progress: Progress,
): AsyncGenerator<Difference> {
  const damage = await log.damage()
  for (const detail of damage) yield { partition: number, where: 'log', detail }
  if (damage.length > 0) return
  const replay = await Replay.of(log, number, progress)
  for (const detail of replay.faults) yield { partition: number, where: 'log', detail }
  const unreadable = await projection.damage()
  for (const fault of unreadable) yield { partition: number, ...fault }
  if (unreadable.length > 0) return
  const invalidNames: Difference[] = []
  const onInvalidName = (where: Difference['where'], { shown: key, fault }: FoundName) =>
    invalidNames.push({ partition: number, where, key, detail: `is not a config key: ${fault}` })
  for await (const key of suspectKeys(projection, replay, progress, onInvalidName)) {
    for (const difference of await differencesOf(key, projection, replay))
      yield { partition: number, key, ...difference }
  }
  yield* invalidNames
}

/** What a part of the projection lists, with the name of each entry. */
type Listed = ProjectionDamage['where']
type Chunk<Found> = readonly (readonly [name: FoundName, found: Found])[]

interface Comparison<Found> {
  /** The keys that the part should list. */
  readonly expected: Iterable<string>
  isRight(found: Found, record: PolicyRecord | undefined): boolean
}

/**
 * The keys whose projection differs from the log as it was a moment ago, each once. A change in between also makes a key suspect.
 */
async function* suspectKeys(
  projection: MaintainedProjection,
  replay: Replay,
  progress: Progress,
  onInvalidName: (where: Listed, name: FoundName) => void,
): AsyncGenerator<string> {
  const suspects = new Set<string>()
  /** Suspects what differs, and the keys that should have been found. */
  const compareAll = async <Found>(where: Listed, all: AsyncIterable<Chunk<Found>>, comparison: Comparison<Found>) => {
    const missing = new Set(comparison.expected)
    for await (const found of all) {
      for (const [name, value] of found) {
        const { key } = name
        if (key === undefined) {
          onInvalidName(where, name)
          continue
        }
        missing.delete(key)
        if (!comparison.isRight(value, replay.recordOf(key))) suspects.add(key)
      }
      progress.advanced(found.length)
    }
    for (const key of missing) suspects.add(key)
  }
  await compareAll('policies', projection.records(), { expected: replay.livingKeys(), isRight: isSameRecord })
  await compareAll('names', projection.names(), {
    expected: replay.livingKeys(),
    isRight: (listing, record) => listing === listingOf(record),
  })
  await compareAll('ends', projection.ends(), {
    expected: replay.temporaryKeys(),
    isRight: (end, record) => end === endOfRecord(record),
  })
  for await (const key of suspectIndexes(projection, replay, progress)) suspects.add(key)
  yield* suspects
}

/** The keys whose index of versions differs from the log as it was a moment ago. */
export async function* suspectIndexes(
  projection: MaintainedProjection,
  replay: Replay,
  progress: Progress,
): AsyncGenerator<string> {
  for await (const keys of projection.indexedKeys()) {
    for (const key of keys) if (!replay.has(key)) yield key
  }
  for (const keys of inChunks(replay.keys)) {
    const found = await projection.versions(keys)
    for (const [i, key] of keys.entries()) if (!isDeepStrictEqual(found[i], replay.versionsOf(key))) yield key
    progress.advanced(keys.length)
  }
}

async function differencesOf(key: string, projection: MaintainedProjection, replay: Replay) {
  const { bounds, found } = await findAsReplayed(key, projection, replay)
  return compare(key, found, replay, bounds)
}

/** The projection of a key at a moment at which the whole log is replayed. @throws {LogMovedOn} */
export async function findAsReplayed(key: string, projection: MaintainedProjection, replay: Replay) {
  for (;;) {
    const snapshot = await projection.find(key)
    if (isReplayed(snapshot.bounds, replay.at)) return snapshot
    await replay.catchUp()
  }
}

/** A later compaction changes no policy, and `Replay.versionsOf` takes it into account. */
function isReplayed({ compactedTo, ...bounds }: LogBounds, { compactedTo: replayed, ...at }: LogBounds): boolean {
  return isDeepStrictEqual(bounds, at) && compactedTo >= replayed
}

function compare(key: string, found: FoundProjection, replay: Replay, { compactedTo }: LogBounds) {
  const differences: Pick<Difference, 'where' | 'detail'>[] = []
  const record = replay.recordOf(key)
  if (!isSameRecord(found.policy, record)) {
    differences.push({
      where: 'policies',
      detail: `has ${found.policy?.shown ?? 'nothing'}, the log says ${shownRecord(record)}`,
    })
  }
  const listing = listingOf(record)
  if (found.listing !== listing) {
    differences.push({ where: 'names', detail: `has ${LISTINGS[found.listing]}, the log says ${LISTINGS[listing]}` })
  }
  const end = endOfRecord(record)
  if (found.end !== end) {
    differences.push({ where: 'ends', detail: `has ${shownEnd(found.end)}, the log says ${shownEnd(end)}` })
  }
  const versions = replay.versionsOf(key, compactedTo)
  if (!isDeepStrictEqual(found.versions, versions)) {
    const held = found.versions === null ? 'a value of another type' : JSON.stringify(found.versions)
    const detail = `has ${held}, the log says ${JSON.stringify(versions)}`
    differences.push({ where: 'versions', detail })
  }
  return differences
}

const LISTINGS: Readonly<Record<Listing, string>> = {
  listed: 'the key',
  misplaced: 'the key out of order',
  absent: 'nothing',
}

/** How the list of keys should contain a key with this record. */
function listingOf(record: PolicyRecord | undefined): Listing {
  return record === undefined ? 'absent' : 'listed'
}

function endOfRecord(record: PolicyRecord | undefined): number | undefined {
  return record && endOf(record.policy)
}

function shownEnd(end: number | undefined): string {
  return end === undefined ? 'nothing' : `the end ${end}`
}

function shownRecord(record: PolicyRecord | undefined): string {
  if (record === undefined) return 'nothing'
  const { key: _, ...shown } = record
  return JSON.stringify(shown)
}

function isSameRecord(found: FoundRecord | undefined, expected: PolicyRecord | undefined): boolean {
  if (found === undefined) return expected === undefined
  return found.record !== undefined && isDeepStrictEqual(found.record, expected)
}
