import type { PolicyRecord } from '../../domain/policy-record.ts'
import { storeProblem } from '../map-store-errors.ts'
import type { PolicyReader } from '../ports.ts'
import { exportLine } from './import-line.ts'

/**
 * Every policy as a line that can be imported, in byte order of the keys, in chunks of lines.
 * @param onChunk called with the number of lines of each chunk
 * @throws {Problem} `config-store-unavailable`
 */
export async function* exportLines(
  reader: Pick<PolicyReader, 'all'>,
  onChunk: (lines: number) => void = () => undefined,
): AsyncGenerator<string> {
  try {
    for await (const records of reader.all()) {
      onChunk(records.length)
      yield linesOf(records)
    }
  } catch (cause) {
    throw storeProblem(cause)
  }
}

/** The lines of some policies. */
export function linesOf(records: readonly PolicyRecord[]): string {
  return records.map(record => `${exportLine(record)}\n`).join('')
}
