import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { definitionOf } from './policies.ts'

/** Writes a journal with many versions of the policy of `k`, which keeps the embedded store busy during its start. */
export async function writeLongJournal(dataDir: string, versions: number): Promise<void> {
  const header = { journal: 2, identities: ['a', 'b', 'c', 'd'], compactedTo: [0, 0, 0, 0] }
  const common = { schema: 1, key: 'k', type: 'changed', at: '2026-01-31T12:00:00.000Z', actor: 'ops', commandId: 'c' }
  const events = Array.from({ length: versions }, (_, i) => ({ ...common, version: i + 1, policy: definitionOf() }))
  const lines = [header, ...events].map(line => `${JSON.stringify(line)}\n`)
  await writeFile(join(dataDir, 'journal.ndjson'), lines.join(''))
}
