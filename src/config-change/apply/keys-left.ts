import { type CommandId, partitionOf } from '../../domain/command-id.ts'
import type { ImportPart } from '../../domain/commands.ts'
import { parseImportLine } from '../import/import-line.ts'
import type { ImportProgress, ImportStaging, StateReader } from '../ports.ts'

export interface ImportSources {
  readonly reader: StateReader
  readonly staging: ImportStaging
}

/**
 * The config keys that a part of an import has not applied yet, in chunks: those of its staged lines, and those that it would prune.
 * Ends early if lines are gone.
 */
export async function* keysLeft(
  part: ImportPart,
  from: ImportProgress | undefined,
  sources: ImportSources,
): AsyncGenerator<readonly string[]> {
  for (let index = from?.nextChunk ?? 0; ; index++) {
    const lines = await sources.staging.chunk(part.id, index)
    if (lines === undefined) return
    if (lines.length === 0) break
    yield lines.map(line => parseImportLine(line).key)
  }
  if (part.prune !== undefined) yield* keysToPrune(part.id, part.prune, from?.prunedTo, sources)
}

async function* keysToPrune(
  id: CommandId,
  prefix: string,
  prunedTo: string | undefined,
  sources: ImportSources,
): AsyncGenerator<readonly string[]> {
  for (let after = prunedTo; ; ) {
    const keys = await nextUnnamed(id, { prefix, after }, sources)
    if (keys === undefined || keys.length === 0) return
    yield keys
    after = keys.at(-1)
  }
}

/** The next keys to prune; none after the last one; `undefined` if the names of the part are gone. */
export async function nextUnnamed(
  id: CommandId,
  range: { readonly prefix: string; readonly after: string | undefined },
  { reader, staging }: ImportSources,
): Promise<readonly string[] | undefined> {
  for await (const keys of reader.keys({ ...range, partition: partitionOf(id) })) {
    const unnamed = await staging.unnamed(id, keys)
    if (unnamed === undefined || unnamed.length > 0) return unnamed
  }
  return []
}
