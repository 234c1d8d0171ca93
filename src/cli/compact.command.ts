import { compactLog } from '../config-change/maintenance/compact.ts'
import { maintainedPartitions } from '../redis/policies/maintained-partitions.ts'
import type { Env } from '../settings/env.ts'
import { integer, textOf } from './backend-options.ts'
import { type CliCommand, UsageError } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { JSON_HELP, JSON_OPTION, writeResult } from './output.ts'
import { TerminalProgress } from './progress.ts'
import { withPolicyStore } from './with-policy-store.ts'

const MAX_KEPT = 999_999_999

export const compactCommand: CliCommand = {
  arguments: '[--keep EVENTS] [--json]',
  summary: 'compacts the event log into a snapshot and the last events',
  details: `  --keep EVENTS       number of events to keep in each partition, at least 1; default: CONFIG_LOG_KEEP
${JSON_HELP}

Compacted events disappear from the history of their keys; version numbers continue. The service can run meanwhile. If
CONFIG_LOG_KEEP is a number, workers compact the log themselves.`,
  options: { ...JSON_OPTION, keep: { type: 'string' } },
  run: async values => {
    const given = keepOf(textOf(values['keep']))
    return withPolicyStore(async ({ redis, env }) => {
      const kept = given ?? keptByDefault(env)
      const progress = new TerminalProgress('compacted')
      let compacted = 0
      for (const { log } of maintainedPartitions(redis, env.KEY_PREFIX))
        compacted += await compactLog(log, kept, progress)
      progress.clear()
      writeResult(values, { compacted }, () => `compacted ${compacted} events\n`)
      return ExitCode.ok
    })
  },
}

/** @throws {UsageError} */
function keepOf(given: string | undefined): number | undefined {
  return given === undefined ? undefined : integer('--keep', given, { min: 1, max: MAX_KEPT })
}

/** @throws {UsageError} */
function keptByDefault({ CONFIG_LOG_KEEP: byDefault }: Env): number {
  if (byDefault !== undefined) return byDefault
  throw new UsageError('CONFIG_LOG_KEEP is all; give the number of events with --keep')
}
