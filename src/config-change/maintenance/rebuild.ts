import { isDeepStrictEqual } from 'node:util'
import { inChunks } from '../../lib/keyed-chunks.ts'
import type { MaintainedPartition, MaintainedProjection, Progress } from './ports.ts'
import { LogMovedOn, Replay } from './replay.ts'
import { findAsReplayed, suspectIndexes } from './verify.ts'

/** A log that is replaced or compacted all the time must let a rebuild through at some time. */
const MAX_ATTEMPTS = 20

export interface RebuiltPartition {
  /** What was repaired of the log itself. */
  readonly repaired: readonly string[]
  /** What is wrong with the log itself, which nothing here can repair. */
  readonly faults: readonly string[]
  /** Why the policies are left as they were; absent if they were rebuilt. */
  readonly skipped?: string
}

/**
 * Makes a partition's projection anew from its log, while changes and checks go on: the index of versions key by key, where it is
 * wrong; policies and names beside those in use, which they then replace at once. Front processes then load the partition anew.
 * Where an event cannot be read, policies are left as they are: they may hold what only that event said.
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
      if (!(err instanceof LogMovedOn)) throw err
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
    for await (const key of suspectIndexes(projection, replay, progress)) await mendVersions(key, projection, replay)
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
  do {
    await replay.catchUp(entries => write([...new Set(entries.flatMap(({ event }) => event?.key ?? []))]))
  } while (replay.isComplete && !(await draft.use(replay.at)))
}

async function mendVersions(key: string, projection: MaintainedProjection, replay: Replay): Promise<void> {
  for (;;) {
    const { bounds, found } = await findAsReplayed(key, projection, replay)
    const versions = replay.versionsOf(key, bounds.compactedTo)
    if (isDeepStrictEqual(found.versions, versions)) return
    if (await projection.replaceVersions(key, versions, bounds)) return
  }
}
