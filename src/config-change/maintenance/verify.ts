import { isDeepStrictEqual } from 'node:util'
import { inChunks } from '../../lib/keyed-chunks.ts'
import type { FoundProjection, LogBounds, MaintainedPartition, MaintainedProjection, Progress } from './ports.ts'
import { Replay } from './replay.ts'

/** A place where the projection is not what the log makes of it, or the log not what it should be. */
export interface Difference {
  readonly partition: number
  readonly where: 'log' | 'policies' | 'names' | 'versions'
  /** Absent for the log. */
  readonly key?: string
  readonly detail: string
}

/**
 * Replays the partition's log and compares it with the projection, also while both go on. What cannot be read at all is named, and
 * nothing is compared with it.
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
  const onInvalidName = (where: Difference['where'], key: string) =>
    invalidNames.push({ partition: number, where, key, detail: 'is not valid UTF-8, so it is the name of no policy' })
  for await (const key of suspectKeys(projection, replay, progress, onInvalidName)) {
    for (const difference of await differencesOf(key, projection, replay))
      yield { partition: number, key, ...difference }
  }
  yield* invalidNames
}

/**
 * The keys of which the projection does not say what the log said a moment ago, each once: a change in between makes a suspect as
 * damage does.
 */
async function* suspectKeys(
  projection: MaintainedProjection,
  replay: Replay,
  progress: Progress,
  onInvalidName: (where: 'policies' | 'names', shown: string) => void,
): AsyncGenerator<string> {
  const suspects = new Set<string>()
  const missing = { records: new Set(replay.livingKeys()), names: new Set(replay.livingKeys()) }
  for await (const found of projection.records()) {
    for (const [{ key, shown }, record] of found) {
      if (key === undefined) {
        onInvalidName('policies', shown)
        continue
      }
      missing.records.delete(key)
      if (!isSameRecord(record, replay.recordOf(key))) suspects.add(key)
    }
    progress.advanced(found.length)
  }
  for await (const found of projection.names()) {
    for (const [{ key, shown }, score] of found) {
      if (key === undefined) {
        onInvalidName('names', shown)
        continue
      }
      missing.names.delete(key)
      if (score !== 0 || replay.recordOf(key) === null) suspects.add(key)
    }
    progress.advanced(found.length)
  }
  for await (const key of suspectIndexes(projection, replay, progress)) suspects.add(key)
  for (const keys of [missing.records, missing.names]) for (const key of keys) suspects.add(key)
  yield* suspects
}

/** The keys whose index of versions does not say what the log said a moment ago. */
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

/** What the projection says of a key at an instant at which the log stands where it was replayed to. */
export async function findAsReplayed(key: string, projection: MaintainedProjection, replay: Replay) {
  for (;;) {
    const snapshot = await projection.find(key)
    const { identity, last } = snapshot.bounds
    if (last === replay.at.last && identity === replay.at.identity) return snapshot
    await replay.catchUp()
  }
}

function compare(key: string, found: FoundProjection, replay: Replay, { compactedTo }: LogBounds) {
  const differences: Pick<Difference, 'where' | 'detail'>[] = []
  const record = replay.recordOf(key)
  if (!isSameRecord(found.record, record)) {
    differences.push({
      where: 'policies',
      detail: `has ${found.record ?? 'nothing'}, the log says ${record ?? 'nothing'}`,
    })
  }
  const score = record === null ? null : 0
  if (found.nameScore !== score) {
    differences.push({ where: 'names', detail: `has ${shown(found.nameScore)}, the log says ${shown(score)}` })
  }
  const versions = replay.versionsOf(key, compactedTo)
  if (!isDeepStrictEqual(found.versions, versions)) {
    const held = found.versions === null ? 'a value of another type' : JSON.stringify(found.versions)
    const detail = `has ${held}, the log says ${JSON.stringify(versions)}`
    differences.push({ where: 'versions', detail })
  }
  return differences
}

function shown(score: number | null): string {
  return score === null ? 'nothing' : `it with score ${score}`
}

/** Whether both say the same, in whatever order. */
function isSameRecord(found: string | null, expected: string | null): boolean {
  if (found === expected || found === null || expected === null) return found === expected
  try {
    return isDeepStrictEqual(JSON.parse(found), JSON.parse(expected))
  } catch {
    return false
  }
}
