import { partitionOf } from '../../domain/command-id.ts'
import type { ImportPart } from '../../domain/commands.ts'
import type { Rejection } from '../../domain/decider.ts'
import type { FailedCommand } from '../../domain/outcome.ts'
import type { ImportProgress } from '../ports.ts'
import { type ImportSources, keysLeft } from './keys-left.ts'
import { knownRevision } from './superseded.ts'

interface FailedPart {
  readonly part: ImportPart
  readonly failure: FailedCommand | undefined
  readonly progress: ImportProgress | undefined
}

/**
 * Why a retry of a failed part of an import must be rejected: it would undo a change that was made since. Other keys of its partition
 * may have changed, and the keys that it has applied: its own changes are among these if a worker died during the retry.
 */
export async function partSupersededBy(failed: FailedPart, sources: ImportSources): Promise<Rejection | undefined> {
  const revisionAtFailure = knownRevision(failed.failure)
  if (typeof revisionAtFailure === 'string') return superseded(revisionAtFailure)
  const revision = await sources.reader.partitionRevision(partitionOf(failed.part.id))
  if (revision < revisionAtFailure) return superseded('the event log has lost events since it failed')
  const changed = revision === revisionAtFailure ? undefined : await changedSince(revisionAtFailure, failed, sources)
  return changed === undefined ? undefined : superseded(`the policy "${changed}" was changed since it failed`)
}

/** The first key that the part has not applied yet and that has changed after a position of the log. */
async function changedSince(
  position: number,
  { part, progress }: FailedPart,
  sources: ImportSources,
): Promise<string | undefined> {
  for await (const keys of keysLeft(part, progress, sources)) {
    const positions = await sources.reader.lastPositions(keys)
    const changed = keys.find((_, i) => (positions[i] as number) > position)
    if (changed !== undefined) return changed
  }
  return undefined
}

function superseded(why: string): Rejection {
  return { code: 'superseded', detail: `a part of the import is superseded: ${why}; import the file again` }
}
