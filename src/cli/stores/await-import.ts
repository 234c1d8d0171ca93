import type { CommandStatuses, ImportResult } from '../../config-change/submit/command-statuses.ts'
import { type CommandId, type ImportId, partIds } from '../../domain/command-id.ts'
import { awaitCommand, explanationOf } from '../backend/await-command.ts'

const POLL_MS = 100

/** What an operator should do after an import whose result is lost. */
export const PART_MAY_BE_APPLIED = 'a part of the import may be applied; import the same file again, which is safe'

interface AwaitOptions {
  readonly statuses: Pick<CommandStatuses, 'ofImport'>
  /** Whether a worker has taken a part of the import. */
  isTaken(partId: CommandId): Promise<boolean>
  /** Infinity waits without a limit. */
  readonly timeoutMs: number
  say(text: string): void
}

/** Waits for the result of an import. @throws {OperatorError} if it does not end in time */
export function awaitImport(id: ImportId, { statuses, isTaken, timeoutMs, say }: AwaitOptions): Promise<ImportResult> {
  return awaitCommand(id, {
    read: () => statuses.ofImport(id),
    pollMs: POLL_MS,
    explain: async () => explanationOf(id, (await Promise.all(partIds(id).map(isTaken))).includes(true)),
    timeoutMs,
    say,
    advice: PART_MAY_BE_APPLIED,
  })
}
