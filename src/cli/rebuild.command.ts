import { rebuildPartition } from '../config-change/maintenance/rebuild.ts'
import { maintainedPartitions } from '../redis/policies/maintained-projection.ts'
import type { CliCommand } from './command.ts'
import { withConfigStore } from './config-store.ts'
import { ExitCode } from './exit-code.ts'
import { TerminalProgress } from './progress.ts'

export const rebuildCommand: CliCommand = {
  arguments: '',
  summary: 'makes the policies in use anew from the event log',
  details: `The service may go on meanwhile: each partition's policies are made beside those in use and replace them at once, and every
front process then loads them anew. Exit code 1 when the log itself is damaged, which nothing can mend.`,
  run: () =>
    withConfigStore(async ({ redis, env }) => {
      const progress = new TerminalProgress('gone through')
      let faults = 0
      for (const partition of maintainedPartitions(redis, env.KEY_PREFIX)) {
        for (const fault of await rebuildPartition(partition, progress)) {
          progress.clear()
          process.stdout.write(`partition ${partition.number}, log: ${fault}\n`)
          faults++
        }
      }
      progress.clear()
      process.stdout.write('rebuilt\n')
      return faults === 0 ? ExitCode.ok : ExitCode.found
    }),
}
