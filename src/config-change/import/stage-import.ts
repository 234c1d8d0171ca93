import { createHash } from 'node:crypto'
import { type CommandId, type ImportId, partIds } from '../../domain/command-id.ts'
import { configPartition } from '../../domain/partition.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import type { ImportStaging } from '../ports.ts'
import { ImportChecker } from './import-checker.ts'
import { type ImportedPolicy, importLine } from './import-line.ts'
import { linesOf } from './ndjson.ts'

/** Policies per chunk. One call of the store applies a chunk and blocks all other calls meanwhile. */
const MAX_CHUNK_LINES = 100
/** Characters per chunk. */
const MAX_CHUNK_CHARACTERS = 262_144

/**
 * Validates a file line by line and stages it in the policy store, chunk by chunk, so that it is never in memory as a whole.
 * @returns a fingerprint of the file
 * @throws {Problem} `import-invalid`; then no lines stay staged
 */
export async function stageImport(id: ImportId, file: AsyncIterable<Buffer>, staging: ImportStaging): Promise<string> {
  const parts = partIds(id)
  const digest = createHash('sha256')
  const writer = new StagingWriter(parts, staging)
  const checker = new ImportChecker()
  try {
    for await (const lines of linesOf(digested(file, digest))) {
      for (const line of lines) await writer.write(checker.check(line))
    }
    await writer.end()
    return digest.digest('hex')
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

/** Collects lines into chunks of their partition. */
class StagingWriter {
  readonly #staging: ImportStaging
  readonly #parts: readonly { readonly id: CommandId; lines: string[]; characters: number }[]

  constructor(partIds: readonly CommandId[], staging: ImportStaging) {
    this.#staging = staging
    this.#parts = partIds.map(id => ({ id, lines: [], characters: 0 }))
  }

  async write(imported: ImportedPolicy): Promise<void> {
    const part = this.#parts[configPartition(imported.key)]
    if (part === undefined) return
    const line = importLine(imported)
    part.lines.push(line)
    part.characters += line.length
    if (part.lines.length < MAX_CHUNK_LINES && part.characters < MAX_CHUNK_CHARACTERS) return
    await mapStoreErrors(this.#staging.add(part.id, part.lines))
    part.lines = []
    part.characters = 0
  }

  async end(): Promise<void> {
    for (const { id, lines } of this.#parts) if (lines.length > 0) await mapStoreErrors(this.#staging.add(id, lines))
    await mapStoreErrors(this.#staging.seal(this.#parts.map(({ id }) => id)))
  }
}
