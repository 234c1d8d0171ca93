import { closeSync, openSync } from 'node:fs'
import { configPartition } from '../domain/partition.ts'
import { inChunks } from '../lib/keyed-chunks.ts'
import { writeLines } from './journal-files.ts'
import { compactedLine, headerLine, type JournalHeader, parseEntry, parseHeader, readLines } from './journal-lines.ts'
import { withoutCompactedTo } from './recorded-compaction.ts'

export interface CompactionJob {
  readonly from: string
  readonly to: string
  /** Size of the part of `from` to compact, including its header, in bytes. */
  readonly bytes: number
  readonly lines: number
  /** Of the compacted journal. */
  readonly header: JournalHeader
}

/** The fate of a line. Any other value is the position of the last compacted event of a key, which is kept. */
const DROPPED = -1
const COPIED = 0

/**
 * Writes a journal that omits compacted events except the last one of each key. Returns the number of its lines.
 * Reads the journal twice, so that only the keys are held in memory.
 */
export function writeCompacted(job: CompactionJob): number {
  const fates = fatesOf(job)
  const fd = openSync(job.to, 'w')
  let lines = 0
  try {
    for (const some of inChunks(compactedLines(job, fates))) {
      // Each chunk is synced separately, so that the sync of a change never waits for the whole file.
      writeLines(fd, some)
      lines += some.length
    }
  } finally {
    closeSync(fd)
  }
  return lines
}

/** By line. */
function fatesOf({ from, bytes, lines, header: { compactedTo } }: CompactionJob): Float64Array {
  const fates = new Float64Array(lines).fill(COPIED)
  const lastOf = new Map<string, number>()
  let positions: number[] = []
  let index = -1
  for (const text of readLines(from, bytes)) {
    if (++index === 0) {
      positions = [...parseHeader(from, text).compactedTo]
      continue
    }
    const { event, position } = parseEntry(from, text, index + 1)
    const partition = configPartition(event.key)
    if (position === undefined) {
      const appendedAt = (positions[partition] ?? 0) + 1
      positions[partition] = appendedAt
      if (appendedAt > (compactedTo[partition] ?? 0)) continue
      fates[index] = appendedAt
    }
    const superseded = lastOf.get(event.key)
    if (superseded !== undefined) fates[superseded] = DROPPED
    lastOf.set(event.key, index)
  }
  return fates
}

function* compactedLines({ from, bytes, header }: CompactionJob, fates: Float64Array): Generator<string> {
  let index = 0
  for (const text of readLines(from, bytes)) {
    const fate = fates[index] as number
    if (index === 0) yield headerLine(header)
    else if (fate === COPIED) yield text
    else if (fate !== DROPPED) yield compactedLine(fate, withoutCompactedTo(text))
    index++
  }
}
