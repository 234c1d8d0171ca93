import type { MaintainedPartition } from '../config-change/maintenance/ports.ts'
import { type Difference, verifyPartition } from '../config-change/maintenance/verify.ts'
import { maintainedPartitions } from '../redis/policies/maintained-partitions.ts'
import type { CliCommand, Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { JSON_HELP, JSON_OPTION, resultText, writeParts, writeResult } from './output.ts'
import { printable } from './printable.ts'
import { TerminalProgress } from './progress.ts'
import { withPolicyStore } from './with-policy-store.ts'

export const verifyCommand: CliCommand = {
  arguments: '[--json]',
  summary: 'compares the policies in use with the event log',
  details: `${JSON_HELP}

Replays the event log, partition by partition, and reports each difference from what is in use: policies, the list of keys, the
index of versions. The service can run meanwhile. Exit code 1 if there is a difference; \`throttler rebuild\` repairs it.
As JSON, each difference is a line, and the last line says whether all is clean and how many differences there are.`,
  options: JSON_OPTION,
  run: values =>
    withPolicyStore(async ({ redis, env }) => {
      const counts = { differences: 0 }
      await writeParts(differenceTexts(values, maintainedPartitions(redis, env.KEY_PREFIX), counts))
      const { differences } = counts
      const clean = differences === 0
      writeResult(values, { clean, differences }, () => summaryText(differences))
      return clean ? ExitCode.ok : ExitCode.found
    }),
}

/** Counts the differences, and yields the text of each. */
async function* differenceTexts(
  values: Values,
  partitions: readonly MaintainedPartition[],
  counts: { differences: number },
): AsyncGenerator<string> {
  const progress = new TerminalProgress('compared')
  for (const partition of partitions) {
    for await (const difference of verifyPartition(partition, progress)) {
      progress.clear()
      counts.differences++
      yield resultText(values, difference, () => differenceText(difference))
    }
  }
  progress.clear()
}

function differenceText({ partition, where, key, detail }: Difference): string {
  const place = [`partition ${partition}`, where, ...(key === undefined ? [] : [JSON.stringify(key)])].join(', ')
  return `${printable(`${place}: ${detail}`)}\n`
}

function summaryText(differences: number): string {
  if (differences === 0) return 'clean: the log and what is in use agree\n'
  return `${differences} ${differences === 1 ? 'difference' : 'differences'}\n`
}
