import type { PolicyReader } from '../ports.ts'
import { exportLine } from './import-line.ts'

/** Every policy as a line that can be imported, in byte order of the keys, in chunks. */
export async function* exportLines(reader: Pick<PolicyReader, 'all'>): AsyncGenerator<readonly string[]> {
  for await (const records of reader.all()) yield records.map(record => `${exportLine(record)}\n`)
}
