import type { CommandStatuses, ImportResult } from '../config-change/submit/command-statuses.ts'
import { type CommandId, type ImportId, partIds } from '../domain/command-id.ts'
import { OperatorError } from '../lib/operator-error.ts'

const POLL_MS = 100

/** A longer wait is explained to the user, in ms. */
const EXPLAIN_AFTER_MS = 2_000

/** The import is accepted, but its result is not known. */
class ResultUnknown extends OperatorError {}

interface AwaitOptions {
  readonly statuses: Pick<CommandStatuses, 'ofImport'>
  /** Whether a worker has taken a part of the import. */
  isTaken(partId: CommandId): Promise<boolean>
  /** Infinity waits without a limit. */
  readonly timeoutMs: number
  say(text: string): void
}

/** Waits for the result of an import. @throws {ResultUnknown} */
export async function awaitImport(
  id: ImportId,
  { statuses, isTaken, timeoutMs, say }: AwaitOptions,
): Promise<ImportResult> {
  const startMs = performance.now()
  for (let isExplained = false; ; await nextPoll()) {
    const status = await statuses.ofImport(id)
    if (status === undefined) throw new ResultUnknown(`the policy store no longer knows how command ${id} ended`)
    if (status.status !== 'queued') return status
    const waitedMs = performance.now() - startMs
    if (waitedMs >= timeoutMs) throw new ResultUnknown(timedOut(id, timeoutMs))
    if (isExplained || waitedMs < EXPLAIN_AFTER_MS) continue
    say(await explanationOf(id, isTaken))
    isExplained = true
  }
}

function nextPoll(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, POLL_MS))
}

async function explanationOf(id: ImportId, isTaken: AwaitOptions['isTaken']): Promise<string> {
  const taken = await Promise.all(partIds(id).map(isTaken))
  if (taken.includes(true)) return `waiting for command ${id}, which is being applied`
  return `no worker has taken command ${id} yet; if none is running, start one with "throttler worker"`
}

function timedOut(id: ImportId, timeoutMs: number): string {
  return (
    `command ${id} has not ended within ${timeoutMs / 1000} s; it stays queued, and workers apply it in full. ` +
    `GET /commands/${id} says how it ended`
  )
}
