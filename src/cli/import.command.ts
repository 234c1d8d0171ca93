import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { NameReserver } from '../config-change/idempotency-keys.ts'
import { stageImport } from '../config-change/import/stage-import.ts'
import { CommandStatuses, type ImportEnding } from '../config-change/submit/command-status.ts'
import { CommandSubmitter } from '../config-change/submit/command-submitter.ts'
import { OutcomeWaiters } from '../config-change/submit/outcome-waiters.ts'
import { importId } from '../domain/commands.ts'
import { Problem } from '../lib/errors.ts'
import { BullCommandQueue } from '../queues/command-queue.ts'
import { RedisCommandLog } from '../redis/policies/command-log.ts'
import { RedisImportStaging } from '../redis/policies/import-staging.ts'
import { RedisReservations } from '../redis/policies/reservations.ts'
import type { CliCommand } from './command.ts'
import { type ConfigStoreAccess, withConfigStore } from './config-store.ts'
import { ExitCode } from './exit-code.ts'
import { readInput } from './input-file.ts'
import { TerminalProgress } from './progress.ts'

/** Who changed it, as the history of each key says. */
const ACTOR = 'throttler-cli'
const POLL_MS = 100

export const importCommand: CliCommand = {
  arguments: 'FILE [--reason TEXT]',
  summary: 'replaces the policies of all keys in a file',
  details: `  --reason TEXT   kept in the history of each key that changes

Reads FILE (- for standard input), a policy a line as \`throttler export\` writes them. One bad line, and nothing is imported: exit code 1.
Workers apply it like any other change, and the command waits until they have; interrupted, it is applied all the same.`,
  options: { reason: { type: 'string' } },
  operands: { min: 1, max: 1 },
  run: ({ reason }, [file = '']) =>
    withConfigStore(async access => {
      const progress = new TerminalProgress('bytes read')
      try {
        const ending = await importFile(access, file, reason, progress)
        progress.clear()
        return report(ending)
      } catch (err) {
        progress.clear()
        if (!(err instanceof Problem) || err.code !== 'import-invalid') throw err
        process.stdout.write(`${err.detail}\n`)
        return ExitCode.found
      }
    }),
}

async function importFile(
  { redis, env }: ConfigStoreAccess,
  file: string,
  reason: string | boolean | undefined,
  progress: TerminalProgress,
): Promise<ImportEnding> {
  const kept = { keyPrefix: env.KEY_PREFIX, retentionMs: env.COMMAND_RETENTION_MS }
  const staging = new RedisImportStaging(redis, kept)
  const queue = new BullCommandQueue(redis, env.KEY_PREFIX)
  const statuses = new CommandStatuses(queue, new RedisCommandLog(redis, kept))
  const submitter = new CommandSubmitter({
    queue,
    waiters: new OutcomeWaiters({ find: id => statuses.ending(id) }),
    names: new NameReserver(new RedisReservations(redis, kept)),
    staging,
    findEnding: id => statuses.ending(id),
  })
  const id = importId(randomUUID())
  const fingerprint = await stageImport(id, readInput(file, progress), staging)
  const asked = { id, actor: ACTOR, requestId: id, fingerprint, ...(typeof reason === 'string' && { reason }) }
  await submitter.submitImport(asked, { waitMs: 0, idempotencyKey: undefined })
  try {
    return await endingOf(id, statuses)
  } finally {
    await queue.close()
  }
}

async function endingOf(id: string, statuses: CommandStatuses): Promise<ImportEnding> {
  for (;;) {
    const status = await statuses.of(id)
    if (status !== undefined && status.status !== 'queued') return status as ImportEnding
    await sleep(POLL_MS)
  }
}

function report(ending: ImportEnding): ExitCode {
  if (ending.status === 'applied') {
    const { created, changed, unchanged } = ending.counts
    process.stdout.write(`imported: ${created} created, ${changed} changed, ${unchanged} unchanged\n`)
    return ExitCode.ok
  }
  process.stdout.write(`${ending.status}: ${ending.error.detail}\n`)
  return ExitCode.found
}
