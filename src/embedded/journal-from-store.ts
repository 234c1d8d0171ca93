import { setImmediate as nextTurn } from 'node:timers/promises'
import type { HeldLog, LogBeginning } from './held-log.ts'
import type { Journal } from './journal.ts'
import type { LogEnd } from './log-end.ts'
import { LogReader } from './log-reader.ts'

/**
 * Replaces the journal at once by what the store holds.
 * @param logs of all partitions
 * @returns the ends up to which the journal now contains the logs
 */
export function replaceJournal(journal: Journal, logs: readonly HeldLog[]): LogEnd[] {
  const held = logs.map(log => log.readAll())
  const entries = held.flatMap(({ compacted, events }) => [...compacted, ...events])
  journal.replace(headerOf(held), entries)
  return held.map(({ end }) => end)
}

/** The same in pieces. Between two pieces, the store does other work. */
export async function rewriteJournal(journal: Journal, logs: readonly HeldLog[]): Promise<LogEnd[]> {
  const readers = logs.map(log => new LogReader(log))
  const header = headerOf(readers.map(({ beginning }) => beginning))
  const rest = () => readers.flatMap(reader => [...reader.events()].flat())
  await journal.rewrite(header, readInTurns(readers), rest)
  return readers.map(({ end }) => end)
}

function headerOf(beginnings: readonly LogBeginning[]) {
  return {
    identities: beginnings.map(({ identity }) => identity),
    compactedTo: beginnings.map(({ compactedTo }) => compactedTo),
  }
}

async function* readInTurns(readers: readonly LogReader[]): AsyncGenerator<readonly string[]> {
  for (const reader of readers) {
    for (const piece of reader.everything()) {
      yield piece
      await nextTurn()
    }
  }
}
