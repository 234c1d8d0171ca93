import { setImmediate as nextTurn } from 'node:timers/promises'
import { inChunks } from '../lib/keyed-chunks.ts'
import type { Logger } from '../observability/logger.ts'
import { encode } from './commands.ts'
import type { InProcessConnection } from './in-process-connection.ts'
import type { QuotaCount } from './quota-count-lines.ts'
import { StartProgress } from './start-progress.ts'

/** Writes the counts of an earlier process to the store, in pieces between which the process does other work. */
export async function restoreQuotaCounts(
  held: ReadonlyMap<string, QuotaCount>,
  store: Pick<InProcessConnection, 'send'>,
  logger: Logger,
): Promise<void> {
  const progress = new StartProgress(logger, 'counts of quotas are being restored')
  let restored = 0
  for (const counts of inChunks(held)) {
    store.send(encode(counts.map(commandOf), 'latin1'))
    restored += counts.length
    progress.report({ counts: restored, of: held.size })
    await nextTurn()
  }
  logger.info({ counts: restored, ms: progress.ms }, 'counts of quotas were restored')
}

/** Plain commands take a third of the time of a script that decodes the values. */
function commandOf([key, { value, expiresAt }]: readonly [key: string, count: QuotaCount]) {
  return ['SET', bytesOf(key, 'utf8'), bytesOf(value, 'hex'), 'PXAT', expiresAt] as const
}

/** A character for each byte. */
function bytesOf(text: string, encoding: 'utf8' | 'hex'): string {
  return Buffer.from(text, encoding).toString('latin1')
}
