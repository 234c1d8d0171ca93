/** How results of commands are stored: as JSON, in which a failure's `revisionAtFailure` is called `standing`. */
import { DamagedRecord } from '../../config-change/damaged-store.ts'
import { parseCommandId } from '../../domain/command-id.ts'
import type { CommandResult, FailedCommand } from '../../domain/outcome.ts'

export function resultJson(result: CommandResult): string {
  if (result.status !== 'failed') return JSON.stringify(result)
  const { revisionAtFailure, ...failure } = result
  return JSON.stringify({ ...failure, standing: revisionAtFailure })
}

/** @throws {DamagedRecord} */
export function parseResult<Result extends CommandResult>(json: string): Result {
  const stored = parseObject(json)
  if (typeof stored['id'] !== 'string' || parseCommandId(stored['id']) === undefined) throw damaged('has no command id')
  if (stored['status'] !== 'failed') return stored as unknown as Result
  const { standing, ...failure } = stored
  return { ...failure, revisionAtFailure: standing } as unknown as FailedCommand & Result
}

/** @throws {DamagedRecord} */
export function parseObject(json: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(json))
  } catch {
    throw damaged('is not valid JSON')
  }
}

function damaged(fault: string): DamagedRecord {
  return new DamagedRecord(`a stored record of the command ${fault}`)
}
