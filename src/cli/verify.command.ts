import { type Difference, verifyPartition } from '../config-change/maintenance/verify.ts'
import { maintainedPartitions } from '../redis/policies/maintained-partitions.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { TerminalProgress } from './progress.ts'
import { withPolicyStore } from './with-policy-store.ts'

export const verifyCommand: CliCommand = {
  arguments: '',
  summary: 'compares the policies in use with the event log',
  details: `Replays the event log, partition by partition, and reports each difference from what is in use: policies, the list of keys, the
index of versions. The service can run meanwhile. Exit code 1 if there is a difference; \`throttler rebuild\` repairs it.`,
  run: () =>
    withPolicyStore(async ({ redis, env }) => {
      const progress = new TerminalProgress('compared')
      let differences = 0
      for (const partition of maintainedPartitions(redis, env.KEY_PREFIX)) {
        for await (const difference of verifyPartition(partition, progress)) {
          progress.clear()
          process.stdout.write(`${describe(difference)}\n`)
          differences++
        }
      }
      progress.clear()
      process.stdout.write(
        differences === 0
          ? 'clean: the log and what is in use agree\n'
          : `${differences} ${differences === 1 ? 'difference' : 'differences'}\n`,
      )
      return differences === 0 ? ExitCode.ok : ExitCode.found
    }),
}

function describe({ partition, where, key, detail }: Difference): string {
  return [`partition ${partition}`, where, ...(key === undefined ? [] : [JSON.stringify(key)])]
    .join(', ')
    .concat(`: ${detail}`)
}
