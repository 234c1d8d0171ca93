import { type RebuiltPartition, rebuildPartition } from '../config-change/maintenance/rebuild.ts'
import { maintainedPartitions } from '../redis/policies/maintained-partitions.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { TerminalProgress } from './progress.ts'
import { withPolicyStore } from './with-policy-store.ts'

export const rebuildCommand: CliCommand = {
  arguments: '',
  summary: 'rebuilds the policies in use from the event log',
  details: `The service can run meanwhile: the policies of each partition are rebuilt as a draft, which then replaces those in use in one step.
Front processes reload them. Exit code 1 if the log itself is damaged, which a rebuild cannot repair, or a partition was not rebuilt.`,
  run: () =>
    withPolicyStore(async ({ redis, env }) => {
      const progress = new TerminalProgress('processed')
      const partitions = maintainedPartitions(redis, env.KEY_PREFIX)
      let faults = 0
      let skipped = 0
      for (const partition of partitions) {
        const result = await rebuildPartition(partition, progress)
        progress.clear()
        process.stdout.write(describe(partition.number, result))
        faults += result.faults.length
        if (result.skipped !== undefined) skipped++
      }
      const rebuilt = partitions.length - skipped
      process.stdout.write(skipped === 0 ? 'rebuilt\n' : `rebuilt ${rebuilt} of ${partitions.length} partitions\n`)
      return faults + skipped === 0 ? ExitCode.ok : ExitCode.found
    }),
}

function describe(partition: number, { repaired, faults, skipped }: RebuiltPartition): string {
  const lines = [
    ...repaired.map(what => `partition ${partition}, log: repaired "${what}"`),
    ...faults.map(fault => `partition ${partition}, log: ${fault}`),
    ...(skipped === undefined ? [] : [`partition ${partition} was not rebuilt: ${skipped}`]),
  ]
  return lines.map(line => `${line}\n`).join('')
}
