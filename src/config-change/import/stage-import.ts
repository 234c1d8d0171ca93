import { createHash } from 'node:crypto'
import { type CommandId, type ImportId, partIds } from '../../domain/command-id.ts'
import { configPartition } from '../../domain/partition.ts'
import { Problem } from '../../lib/errors.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import type { ImportStaging } from '../ports.ts'
import { ImportChecker } from './import-checker.ts'
import { type ImportedPolicy, importLine } from './import-line.ts'
import { linesOf } from './ndjson.ts'

/** Policies per chunk. One call of the store applies a chunk and blocks all other calls meanwhile. */
const MAX_CHUNK_LINES = 100
/** Characters per chunk. */
const MAX_CHUNK_CHARACTERS = 262_144

const LOST_LINES = 'the policy store lost lines of the import during the upload, so nothing was imported; try again'

/** An import to stage. */
interface StagedImport {
  readonly id: ImportId
  readonly file: AsyncIterable<Buffer>
  /** The prefix by which the import prunes, if it does. */
  readonly prune?: string | undefined
}

/**
 * Validates a file line by line and stages it in the policy store, chunk by chunk, so that it is never in memory as a whole.
 * @returns a fingerprint of the file, and of what it prunes
 * @throws {Problem} `import-invalid`, `validation-failed`, `config-store-unavailable`; then no lines stay staged
 */
export async function stageImport({ id, file, prune }: StagedImport, staging: ImportStaging): Promise<string> {
  const parts = partIds(id)
  const digest = createHash('sha256')
  const writer = new StagingWriter(parts, staging, prune !== undefined)
  const checker = new ImportChecker(prune)
  try {
    for await (const lines of linesOf(digested(file, digest))) {
      for (const line of lines) await writer.write(checker.check(line))
    }
    checker.end()
    await writer.end()
    return fingerprintOf(digest.digest('hex'), prune)
  } catch (err) {
    await staging.drop(parts).catch(() => undefined)
    throw err
  }
}

async function* digested(file: AsyncIterable<Buffer>, digest: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for await (const bytes of file) {
    digest.update(bytes)
    yield bytes
  }
}

/** An import that does not prune has the fingerprint that release 0.1.0 gives it. */
function fingerprintOf(digest: string, prune: string | undefined): string {
  return prune === undefined ? digest : createHash('sha256').update(JSON.stringify({ digest, prune })).digest('hex')
}

interface StagedPart {
  readonly id: CommandId
  lines: string[]
  /** The config keys of these lines. */
  keys: string[]
  characters: number
  addedChunks: number
  addedNames: number
}

/** Collects lines into chunks of their partition. */
class StagingWriter {
  readonly #staging: ImportStaging
  readonly #parts: readonly StagedPart[]
  readonly #prunes: boolean

  constructor(partIds: readonly CommandId[], staging: ImportStaging, prunes: boolean) {
    this.#staging = staging
    this.#parts = partIds.map(id => ({ id, lines: [], keys: [], characters: 0, addedChunks: 0, addedNames: 0 }))
    this.#prunes = prunes
  }

  async write(imported: ImportedPolicy): Promise<void> {
    const part = this.#parts[configPartition(imported.key)]
    if (part === undefined) return
    const line = importLine(imported)
    part.lines.push(line)
    part.keys.push(imported.key)
    part.characters += line.length
    if (part.lines.length < MAX_CHUNK_LINES && part.characters < MAX_CHUNK_CHARACTERS) return
    await this.#add(part)
    Object.assign(part, { lines: [], keys: [], characters: 0 })
  }

  async #add(part: StagedPart): Promise<void> {
    const { id, lines, keys } = part
    if (lines.length > 0) {
      await mapStoreErrors(this.#staging.add(id, lines))
      part.addedChunks++
    }
    if (this.#prunes) await mapStoreErrors(this.#staging.addNames(id, keys))
    part.addedNames += keys.length
  }

  /** @throws {Problem} `config-store-unavailable`, also if the store lost some of the lines meanwhile */
  async end(): Promise<void> {
    for (const part of this.#parts) await this.#add(part)
    const added = this.#parts.map(({ id, addedChunks, addedNames }) => ({
      id,
      chunks: addedChunks,
      names: this.#prunes ? addedNames : undefined,
    }))
    if (!(await mapStoreErrors(this.#staging.seal(added)))) throw new Problem('config-store-unavailable', LOST_LINES)
  }
}
