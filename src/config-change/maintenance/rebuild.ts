import { isDeepStrictEqual } from 'node:util'
import { inChunks } from '../../chunks.ts'
import type { MaintainedPartition, MaintainedProjection, Progress } from './ports.ts'
import { Replay } from './replay.ts'
import { findAsReplayed, suspectIndexes } from './verify.ts'

/**
 * Makes a partition's projection anew from its log, while changes and checks go on: the index of versions key by key, where it is
 * wrong; policies and names beside those in use, which they then replace at once. Front processes then load the partition anew.
 * Where an event cannot be read, policies are left as they are: they may hold what only that event said.
 * @returns what is wrong with the log itself, which nothing here can mend
 */
export async function rebuildPartition(
  { number, log, projection }: MaintainedPartition,
  progress: Progress,
): Promise<readonly string[]> {
  const replay = await Replay.of(log, number, progress)
  if (replay.isComplete) {
    for await (const key of suspectIndexes(projection, replay, progress)) await mendVersions(key, projection, replay)
    await replacePolicies(projection, replay, progress)
  }
  return replay.faults
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
