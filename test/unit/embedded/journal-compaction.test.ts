import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { pino } from 'pino'
import type { HeldLog } from '../../../src/embedded/held-log.ts'
import { Journal } from '../../../src/embedded/journal.ts'
import { JournalCompaction } from '../../../src/embedded/journal-compaction.ts'
import type { CompactionJob } from '../../../src/embedded/write-compacted.ts'

const IDENTITIES = ['a', 'b', 'c', 'd']
const HELD = { isHeld: true, requireHeld: () => undefined }

let directory: string
let journal: Journal
let said: string[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-journal-'))
  said = []
  journal = new Journal({
    path: join(directory, 'journal.ndjson'),
    identities: IDENTITIES,
    directory: HELD,
    logger: logger(),
  })
  journal.append(['{}', '{}'])
})
afterEach(() => {
  journal.close()
  rmSync(directory, { recursive: true })
})

function logger() {
  return pino({ level: 'info' }, { write: (line: string) => void said.push(JSON.parse(line).msg) })
}

function compactionBy(writeCompacted: (job: CompactionJob, signal: AbortSignal) => Promise<number>) {
  const logs = IDENTITIES.map(() => ({ compactedTo: 1 }) as HeldLog)
  return new JournalCompaction(journal, logs, { writeCompacted, logger: logger() })
}

it('a compaction that takes too long before a stop is given up, and leaves the journal as it is', async () => {
  const before = readFileSync(journal.path)
  const compaction = compactionBy(async ({ to }, signal) => {
    writeFileSync(to, 'half of')
    await once(signal, 'abort')
    throw signal.reason
  })
  compaction.start()
  await compaction.end(1)
  expect(readFileSync(journal.path)).toEqual(before)
  expect(readdirSync(directory)).toEqual(['journal.ndjson'])
  expect(said).toEqual(['the stop does not wait for the compaction of the journal'])
})

it('nothing is compacted while a position in the store is damaged', async () => {
  const before = readFileSync(journal.path)
  const logs = IDENTITIES.map(() => ({ compactedTo: Number.NaN }) as HeldLog)
  const compaction = new JournalCompaction(journal, logs, {
    writeCompacted: async () => {
      throw new Error('it was compacted')
    },
    logger: logger(),
  })
  compaction.start()
  await compaction.end(60_000)
  expect(readFileSync(journal.path)).toEqual(before)
  expect(said).toEqual([])
})

it.each([
  ['waits until half of it is compacted', 0, []],
  ['does not wait if the start compacted the logs', 1, ['the journal was compacted']],
])('a large journal %s', async (_, compactedByStart, expected) => {
  journal.append(Array.from({ length: 20_000 }, () => '{}'))
  const logs = IDENTITIES.map(() => ({ compactedTo: compactedByStart }))
  const writeCompacted = async ({ to }: CompactionJob) => {
    writeFileSync(to, 'compacted\n')
    return 1
  }
  const compaction = new JournalCompaction(journal, logs as HeldLog[], { writeCompacted, logger: logger() })
  for (const log of logs) log.compactedTo = 1
  compaction.start()
  await compaction.end(60_000)
  expect(said).toEqual(expected)
})

it('a stop waits for a compaction for which there is time', async () => {
  const compaction = compactionBy(async ({ to }) => {
    writeFileSync(to, 'compacted\n')
    return 1
  })
  compaction.start()
  await compaction.end(60_000)
  expect(readFileSync(journal.path, 'utf8')).toBe('compacted\n')
  expect(said).toEqual(['the journal was compacted'])
})
