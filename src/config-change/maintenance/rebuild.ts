import { isDeepStrictEqual } from 'node:util'
import { inChunks } from '../../lib/keyed-chunks.ts'
import { OperatorError } from '../../lib/operator-error.ts'
import type { StoredEntry } from '../log-ports.ts'
import {
  type DraftUse,
  type LogBounds,
  LogMovedOn,
  type MaintainedPartition,
  type MaintainedProjection,
  type Progress,
} from './ports.ts'
import { Replay } from './replay.ts'
import { findAsReplayed, suspectIndexes } from './verify.ts'

/** Attempts to rebuild a partition whose log is replaced or compacted meanwhile, or whose draft is lost. */
const MAX_ATTEMPTS = 20

class DraftLost extends OperatorError {}

export interface RebuiltPartition {
  /** The repaired parts of the log itself. */
  readonly repaired: readonly string[]
  /** Faults of the log itself, which a rebuild cannot repair. */
  readonly faults: readonly string[]
  /** Why the policies were not rebuilt; absent if they were. */
  readonly skipped?: string
}

/**
 * Rebuilds a partition's projection from its log, while changes and checks continue. Wrong indexes of versions are replaced key by
 * key. Policies and the list of keys are written to a draft, which then replaces those in use in one step; front processes then
 * reload the partition. If an event cannot be read, the policies stay as they are, since they may hold what only that event said.
 */
export async function rebuildPartition(partition: MaintainedPartition, progress: Progress): Promise<RebuiltPartition> {
  const repaired = await partition.log.repair()
  const faults = await partition.log.damage()
  if (faults.length > 0) return { repaired, faults, skipped: 'its log cannot be read' }
  return { repaired, ...(await rebuildFromLog(partition, progress)) }
}

type RebuiltFromLog = Omit<RebuiltPartition, 'repaired'>

async function rebuildFromLog(partition: MaintainedPartition, progress: Progress): Promise<RebuiltFromLog> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptRebuild(partition, progress)
    } catch (err) {
      if (!(err instanceof LogMovedOn || err instanceof DraftLost)) throw err
      if (attempt === MAX_ATTEMPTS)
        return { faults: [], skipped: `${err.message}, in each of ${MAX_ATTEMPTS} attempts` }
    }
  }
}

async function attemptRebuild(
  { number, log, projection }: MaintainedPartition,
  progress: Progress,
): Promise<RebuiltFromLog> {
  const replay = await Replay.of(log, number, progress)
  if (replay.isComplete) {
    for await (const key of suspectIndexes(projection, replay, progress)) await repairVersions(key, projection, replay)
    await replacePolicies(projection, replay, progress)
  }
  const { faults, isComplete } = replay
  return { faults, ...(!isComplete && { skipped: 'its log holds an event that cannot be read' }) }
}

async function replacePolicies(projection: MaintainedProjection, replay: Replay, progress: Progress): Promise<void> {
  const draft = projection.draft()
  const write = (keys: readonly string[]) => draft.write(keys.map(key => ({ key, record: replay.recordOf(key) })))
  for (const keys of inChunks(replay.livingKeys())) {
    await write(keys)
    progress.advanced(keys.length)
  }
  const writeKeys = (entries: readonly StoredEntry[]) =>
    write([...new Set(entries.flatMap(({ event }) => event?.key ?? []))])
  let use: DraftUse | undefined
  do {
    const hasChanged = await replay.catchUp(writeKeys)
    if (!replay.isComplete) return
    if (use === 'log-changed' && !hasChanged) throw new LogMovedOn('the policy store refuses the rebuilt policies')
    use = await draft.use(replay.at, replay.content)
  } while (use === 'log-changed')
  if (use === 'draft-lost') throw new DraftLost('the policy store lost some of the rebuilt policies')
}

async function repairVersions(key: string, projection: MaintainedProjection, replay: Replay): Promise<void> {
  let refused: LogBounds | undefined
  for (;;) {
    const { bounds, found } = await findAsReplayed(key, projection, replay)
    if (isDeepStrictEqual(bounds, refused)) throw new DraftLost('the policy store refuses a rebuilt index of versions')
    const versions = replay.versionsOf(key, bounds.compactedTo)
    if (isDeepStrictEqual(found.versions, versions)) return
    if (await projection.replaceVersions(key, versions, bounds)) return
    refused = bounds
  }
}
