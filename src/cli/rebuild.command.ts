import { type RebuiltPartition, rebuildPartition } from '../config-change/maintenance/rebuild.ts'
import { maintainedPartitions } from '../redis/policies/maintained-partitions.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { JSON_HELP, JSON_OPTION, writeResult } from './output.ts'
import { printable } from './printable.ts'
import { TerminalProgress } from './progress.ts'
import { withPolicyStore } from './with-policy-store.ts'

export const rebuildCommand: CliCommand = {
  arguments: '[--json]',
  summary: 'rebuilds the policies in use from the event log',
  details: `${JSON_HELP}

The service can run meanwhile: the policies of each partition are rebuilt as a draft, which then replaces those in use in one step.
Front processes reload them. Exit code 1 if the log itself is damaged, which a rebuild cannot repair, or a partition was not rebuilt.
As JSON, each partition is a line, and the last line says how many of them were rebuilt.`,
  options: JSON_OPTION,
  run: values =>
    withPolicyStore(async ({ redis, env }) => {
      const progress = new TerminalProgress('processed')
      const partitions = maintainedPartitions(redis, env.KEY_PREFIX)
      let faults = 0
      let rebuilt = 0
      for (const partition of partitions) {
        const result = await rebuildPartition(partition, progress)
        progress.clear()
        writeResult(values, { partition: partition.number, ...result }, () => partitionText(partition.number, result))
        faults += result.faults.length
        if (result.skipped === undefined) rebuilt++
      }
      const summary = { rebuilt, partitions: partitions.length }
      writeResult(values, summary, () => summaryText(summary))
      return faults === 0 && rebuilt === partitions.length ? ExitCode.ok : ExitCode.found
    }),
}

/** Nothing about a partition that was rebuilt from an intact log. */
function partitionText(partition: number, { repaired, faults, skipped }: RebuiltPartition): string {
  const lines = [
    ...repaired.map(what => `partition ${partition}, log: repaired "${what}"`),
    ...faults.map(fault => `partition ${partition}, log: ${fault}`),
    ...(skipped === undefined ? [] : [`partition ${partition} was not rebuilt: ${skipped}`]),
  ]
  return lines.map(line => `${printable(line)}\n`).join('')
}

function summaryText({ rebuilt, partitions }: { readonly rebuilt: number; readonly partitions: number }): string {
  return rebuilt === partitions ? 'rebuilt\n' : `rebuilt ${rebuilt} of ${partitions} partitions\n`
}
