import { randomUUID } from 'node:crypto'
import { pruneFault, prunePrefix } from '../config-change/import/prune-prefix.ts'
import { stageImport } from '../config-change/import/stage-import.ts'
import type { ImportResult } from '../config-change/submit/command-statuses.ts'
import { importId } from '../domain/command-id.ts'
import { Problem } from '../lib/errors.ts'
import { actorOf } from './actor.ts'
import { awaitImport } from './await-import.ts'
import { BACKEND_HELP, BACKEND_OPTIONS, MAX_TIMEOUT_SECONDS, textOf, timeoutMsOf } from './backend-options.ts'
import { type CliCommand, UsageError, type Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { printDifference } from './import-difference.ts'
import { dryRun } from './import-dry-run.ts'
import { importOverHttp } from './import-over-http.ts'
import { readInput } from './input-file.ts'
import { printable } from './printable.ts'
import { TerminalProgress } from './progress.ts'
import { reasonOf } from './reason.ts'
import { changeFlow } from './stores/change-flow.ts'
import { serviceClient } from './with-backend.ts'
import { type PolicyStoreAccess, withPolicyStore } from './with-policy-store.ts'

interface ImportOptions {
  readonly file: string
  readonly actor: string
  readonly reason: string | undefined
  readonly timeoutMs: number
  /** The prefix by which the import prunes. */
  readonly prune: string | undefined
}

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
exit code 1. Workers apply the import like any other change, and the command waits for the result. If you interrupt it, or
it times out (exit code 2), the import is still applied.`,
  options: {
    ...BACKEND_OPTIONS,
    prune: { type: 'string' },
    'dry-run': { type: 'boolean' },
    actor: { type: 'string' },
    reason: { type: 'string' },
    timeout: { type: 'string' },
  },
  operands: { min: 1, max: 1 },
  run: async (values, [file = '']) => {
    const client = serviceClient(values)
    if (client !== undefined) return importOverHttp(client, values, file)
    const { prune, 'dry-run': isDryRun, json } = values
    const options = {
      file,
      actor: actorOf(textOf(values['actor'])),
      reason: reasonOf(textOf(values['reason'])),
      timeoutMs: timeoutMsOf(values),
      prune: prefix(textOf(prune)),
    }
    return withPolicyStore(async access => {
      const progress = new TerminalProgress('bytes read')
      try {
        if (!isDryRun) return report(await importFile(access, options, progress), values)
        const found = await dryRun(access, options, progress)
        return printDifference(found, { asJson: json === true || !process.stdout.isTTY })
      } catch (err) {
        progress.clear()
        if (!isInvalidFile(err)) throw err
        return refuse(err, isDryRun === true)
      }
    })
  },
}

/** @throws {UsageError} */
function prefix(given: string | undefined): string | undefined {
  const fault = given === undefined ? undefined : pruneFault(given)
  if (fault !== undefined) throw new UsageError(`--prune ${fault}`)
  return given === undefined ? undefined : prunePrefix(given)
}

/** A dry run reports with exit code 1 that it found differences, so an invalid file is trouble. */
function refuse({ detail }: Problem, isDryRun: boolean): ExitCode {
  if (isDryRun) process.stderr.write(`throttler import: ${printable(detail)}\n`)
  else process.stdout.write(`${printable(detail)}\n`)
  return isDryRun ? ExitCode.trouble : ExitCode.found
}

function isInvalidFile(err: unknown): err is Problem {
  return err instanceof Problem && (err.code === 'import-invalid' || err.code === 'validation-failed')
}

async function importFile(
  access: PolicyStoreAccess,
  { file, actor, reason, timeoutMs, prune }: ImportOptions,
  progress: TerminalProgress,
): Promise<ImportResult> {
  const { queue, statuses, staging, submitter } = changeFlow(access)
  try {
    const id = importId(randomUUID())
    const fingerprint = await stageImport({ id, file: readInput(file, progress), prune }, staging)
    const submission = {
      ...{ id, actor, requestId: id, fingerprint },
      ...(reason !== undefined && { reason }),
      ...(prune !== undefined && { prune }),
    }
    await submitter.submitImport(submission, { waitMs: 0, idempotencyKey: undefined })
    progress.clear()
    const say = (text: string) => void process.stderr.write(`${text}\n`)
    return await awaitImport(id, { statuses, isTaken: part => queue.isTaken(part), timeoutMs, say })
  } finally {
    await queue.close()
  }
}

function report(result: ImportResult, { json, prune }: Values): ExitCode {
  if (result.status === 'applied') {
    const { created, changed, unchanged, deleted } = result.counts
    const body = { commandId: result.id, status: result.status, ...result.counts }
    const pruned = prune === undefined ? '' : `, ${deleted} deleted`
    if (json === true) process.stdout.write(`${JSON.stringify(body)}\n`)
    else process.stdout.write(`imported: ${created} created, ${changed} changed, ${unchanged} unchanged${pruned}\n`)
    return ExitCode.ok
  }
  process.stdout.write(`${result.status}: ${result.error.detail}\n`)
  return ExitCode.found
}
