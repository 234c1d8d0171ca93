import { OperatorError } from '../../lib/operator-error.ts'

/** A longer wait is explained to the user, in ms. */
export const EXPLAIN_AFTER_MS = 2_000

/** The command is accepted, but its result is not known. */
class ResultUnknown extends OperatorError {}

interface AwaitOptions<Status> {
  /** `undefined` if the result has expired. */
  read(): Promise<Status | undefined>
  readonly pollMs: number
  /** What the wait is for. */
  explain(): Promise<string>
  /** Infinity waits without a limit. */
  readonly timeoutMs: number
  /** How long the caller has waited before, in ms. */
  readonly waitedMs?: number
  /** What the user should do if the result has expired. */
  readonly advice?: string
  say(text: string): void
}

/** Waits for the result of a command. @throws {ResultUnknown} */
export async function awaitCommand<Status extends { readonly status: string }>(
  id: string,
  { read, pollMs, explain, timeoutMs, say, waitedMs: before = 0, advice }: AwaitOptions<Status>,
): Promise<Exclude<Status, { readonly status: 'queued' }>> {
  const startMs = performance.now() - before
  for (let isExplained = false; ; await pause(pollMs)) {
    const status = await read()
    if (status === undefined) throw new ResultUnknown(forgotten(id, advice))
    if (hasEnded(status)) return status
    const waitedMs = performance.now() - startMs
    if (waitedMs >= timeoutMs) throw new ResultUnknown(timedOut(id, timeoutMs))
    if (isExplained || waitedMs < EXPLAIN_AFTER_MS) continue
    say(await explain())
    isExplained = true
  }
}

function hasEnded<Status extends { readonly status: string }>(
  status: Status,
): status is Exclude<Status, { readonly status: 'queued' }> {
  return status.status !== 'queued'
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

function forgotten(id: string, advice: string | undefined): string {
  const reason = `the policy store no longer knows how command ${id} ended`
  return advice === undefined ? reason : `${reason}; ${advice}`
}

function timedOut(id: string, timeoutMs: number): string {
  return (
    `command ${id} has not ended within ${timeoutMs / 1000} s; it stays queued, and workers apply it in full. ` +
    `GET /commands/${id} says how it ended`
  )
}

/** For a command whose queue can be asked. */
export function explanationOf(id: string, isTaken: boolean): string {
  if (isTaken) return `waiting for command ${id}, which is being applied`
  return `no worker has taken command ${id} yet; if none is running, start one with "throttler worker"`
}
