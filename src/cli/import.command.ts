import { pruneFault, prunePrefix } from '../config-change/import/prune-prefix.ts'
import type { Wait } from './backend/backend.ts'
import { NegativeAnswer, RequestFailed } from './backend/failure.ts'
import type { ImportBody, ImportOptions } from './backend/import-target.ts'
import { BACKEND_HELP, BACKEND_OPTIONS, MAX_TIMEOUT_SECONDS, textOf, timeoutMsOf } from './backend-options.ts'
import { type CliCommand, UsageError, type Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { differenceText } from './import-difference.ts'
import { readInput } from './input-file.ts'
import { writeResult } from './output.ts'
import { TerminalProgress } from './progress.ts'
import { reasonOf } from './reason.ts'
import { withImportTarget } from './with-backend.ts'

export const importCommand: CliCommand = {
  arguments:
    'FILE [--prune PREFIX] [--dry-run] [--actor NAME] [--reason TEXT] [--timeout SECONDS] [--json] [--url URL [--token-file FILE]]',
  summary: 'replaces the policies of all keys in a file',
  details: `${BACKEND_HELP}
  --prune PREFIX      also deletes the policies of keys with this prefix that the file does not name; * for all keys. Every line
                      must have the prefix. A temporary policy in force stays until its end, and nothing follows it
  --dry-run           changes nothing, and prints what would change: exit code 0 if nothing would, 1 if something would, 2 if the file
                      is invalid. At most 1,000 differences are printed, and all are counted
  --actor NAME        recorded as the author in the history of each changed key, without --url; default: the user's name
  --reason TEXT       recorded as the reason; at most 500 characters
  --timeout SECONDS   how long to wait for the result, from 1 to ${MAX_TIMEOUT_SECONDS}; default: no limit

Reads FILE (- for standard input), one policy per line as \`throttler export\` writes them. If a line is invalid, nothing is imported:
exit code 1. Workers apply the import like any other change, and the command waits for the result. If you interrupt it
while it waits, or it times out (exit code 2), the import is still applied; before that, nothing is imported.`,
  options: {
    ...BACKEND_OPTIONS,
    prune: { type: 'string' },
    'dry-run': { type: 'boolean' },
    actor: { type: 'string' },
    reason: { type: 'string' },
    timeout: { type: 'string' },
  },
  operands: { min: 1, max: 1 },
  run: async (values, [path = '']) => {
    const asked = {
      prune: pruneOf(textOf(values['prune'])),
      reason: reasonOf(textOf(values['reason'])),
      timeoutMs: timeoutMsOf(values),
    }
    return values['dry-run'] === true ? compare(values, path, asked) : apply(values, path, asked)
  },
}

/** @throws {UsageError} */
function pruneOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined
  const fault = pruneFault(given)
  if (fault !== undefined) throw new UsageError(`--prune ${fault}`)
  return prunePrefix(given)
}

type Asked = Omit<ImportOptions, 'say'>

async function apply(values: Values, path: string, asked: Asked): Promise<ExitCode> {
  const result = await withImportTarget(values, target =>
    withFile(path, (file, say) => target.apply(file, { ...asked, say })),
  )
  writeResult(values, result, () => importText(result, asked))
  return ExitCode.ok
}

function importText({ created, changed, unchanged, deleted }: ImportBody, { prune }: Asked): string {
  const pruned = prune === undefined ? '' : `, ${deleted} deleted`
  return `imported: ${created} created, ${changed} changed, ${unchanged} unchanged${pruned}\n`
}

async function compare(values: Values, path: string, { prune }: Asked): Promise<ExitCode> {
  const found = await withImportTarget(values, target => withFile(path, file => target.compare(file, prune))).catch(
    asTrouble,
  )
  writeResult(values, found, () => differenceText(found))
  return found.created + found.changed + found.deleted === 0 ? ExitCode.ok : ExitCode.found
}

/** Exit code 1 of a dry run means that it found differences, so an invalid file is trouble. */
function asTrouble(err: unknown): never {
  throw err instanceof NegativeAnswer ? new RequestFailed(err.message) : err
}

/** Runs `use` with the bytes of a file, and shows how many were read. */
async function withFile<T>(
  path: string,
  use: (file: AsyncIterable<Buffer>, say: Wait['say']) => Promise<T>,
): Promise<T> {
  const progress = new TerminalProgress('bytes read')
  const say = (text: string) => {
    progress.clear()
    process.stderr.write(`${text}\n`)
  }
  try {
    return await use(readInput(path, progress), say)
  } finally {
    progress.clear()
    // Whoever writes to standard input need not finish if the file was refused.
    if (path === '-') process.stdin.destroy()
  }
}
