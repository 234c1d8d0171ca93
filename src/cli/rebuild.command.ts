import { type RebuiltPartition, rebuildPartition } from '../config-change/maintenance/rebuild.ts'
import { maintainedPartitions } from '../redis/policies/maintained-projection.ts'
import type { CliCommand } from './command.ts'
import { withConfigStore } from './config-store.ts'
import { ExitCode } from './exit-code.ts'
import { TerminalProgress } from './progress.ts'

export const rebuildCommand: CliCommand = {
  arguments: '',
  summary: 'rebuilds the policies in use from the event log',
  details: `The service may run meanwhile: the policies of a partition are rebuilt separately and replace those in use atomically; then every
front process reloads them. Exit code 1 if a log is damaged, which cannot be repaired, or if a partition was skipped.`,
  run: () =>
    withConfigStore(async ({ redis, env }) => {
      const progress = new TerminalProgress('replayed')
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
