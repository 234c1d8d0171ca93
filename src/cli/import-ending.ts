import type { CommandStatuses, ImportEnding } from '../config-change/submit/command-status.ts'
import { partIds } from '../domain/commands.ts'
import { OperatorError } from '../lib/operator-error.ts'

const POLL_MS = 100

/** How long to wait before saying what the command waits for, in ms. */
const SILENCE_MS = 2_000

/** The import was accepted, but its result is unknown. */
class EndingUnknown extends OperatorError {}

interface EndingOptions {
  readonly statuses: Pick<CommandStatuses, 'of'>
  /** Whether a worker has taken a part of the import. */
  isTaken(partId: string): Promise<boolean>
  /** Infinity: no limit. */
  readonly timeoutMs: number
  say(text: string): void
}

/** Waits until an import has ended. @throws {EndingUnknown} */
export async function endingOf(
  id: string,
  { statuses, isTaken, timeoutMs, say }: EndingOptions,
): Promise<ImportEnding> {
  const startMs = performance.now()
  for (let isExplained = false; ; await nextPoll()) {
    const status = await statuses.of(id)
    if (status === undefined) throw new EndingUnknown(`the policy store no longer has the result of command ${id}`)
    if (status.status !== 'queued') return status as ImportEnding
    const waitedMs = performance.now() - startMs
    if (waitedMs >= timeoutMs) throw new EndingUnknown(timedOut(id, timeoutMs))
    if (isExplained || waitedMs < SILENCE_MS) continue
    say(await reasonOfWait(id, isTaken))
    isExplained = true
  }
}

function nextPoll(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, POLL_MS))
}

async function reasonOfWait(id: string, isTaken: EndingOptions['isTaken']): Promise<string> {
  const taken = await Promise.all((partIds(id) ?? []).map(isTaken))
  if (taken.includes(true)) return `waiting for command ${id}, which is being applied`
  return `no worker has taken command ${id} yet; if none is running, start one with "throttler worker"`
}

function timedOut(id: string, timeoutMs: number): string {
  return (
    `command ${id} has not ended within ${timeoutMs / 1000} s; it stays queued, and workers apply it in full. ` +
    `GET /commands/${id} returns its result`
  )
}
