import { compactLog } from '../config-change/maintenance/compact.ts'
import { maintainedPartitions } from '../redis/policies/maintained-projection.ts'
import type { Env } from '../settings/env.ts'
import { type CliCommand, UsageError } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { TerminalProgress } from './progress.ts'
import { withPolicyStore } from './with-policy-store.ts'

export const compactCommand: CliCommand = {
  arguments: '[--keep EVENTS]',
  summary: 'compacts the event log to a snapshot and its last events',
  details: `  --keep EVENTS   how many events of each partition are kept, from 1; default: CONFIG_LOG_KEEP

What is compacted is no longer in the history of its keys; their versions go on. The service may go on meanwhile. Where
CONFIG_LOG_KEEP is a number, workers do the same by themselves.`,
  options: { keep: { type: 'string' } },
  run: ({ keep }) =>
    withPolicyStore(async ({ redis, env }) => {
      const kept = eventsToKeep(keep, env)
      const progress = new TerminalProgress('compacted')
      let compacted = 0
      for (const { log } of maintainedPartitions(redis, env.KEY_PREFIX))
        compacted += await compactLog(log, kept, progress)
      progress.clear()
      process.stdout.write(`compacted ${compacted} events\n`)
      return ExitCode.ok
    }),
}

function eventsToKeep(given: string | boolean | undefined, { CONFIG_LOG_KEEP: byDefault }: Env): number {
  if (given === undefined && byDefault !== undefined) return byDefault
  if (given === undefined) throw new UsageError('CONFIG_LOG_KEEP is all; say with --keep how many events to keep')
  if (/^[1-9][0-9]{0,8}$/.test(String(given))) return Number(given)
  throw new UsageError(`--keep was ${given}; allowed: an integer from 1 to 999999999`)
}
