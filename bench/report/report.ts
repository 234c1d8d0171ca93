import type { Measurement } from '../measure.ts'
import type { BucketMemory } from '../probes/bucket-memory.ts'
import type { HoldMemory } from '../probes/hold-memory.ts'
import type { Round, RunResult } from '../run.ts'
import type { TargetResult } from './judge.ts'
import { type Machine, thisMachine } from './machine.ts'
import { median } from './statistics.ts'
import { judgeRun } from './targets.ts'

/** What a run is remembered by. */
export interface Report {
  readonly date: string
  readonly command: string
  readonly machine: Machine
  readonly targets: readonly TargetResult[]
  readonly rows: Readonly<Record<string, { readonly median: Measurement; readonly rounds: Round }>>
  readonly memory: BucketMemory | undefined
  readonly holdMemory: HoldMemory | undefined
  /** What a reader of the numbers must know, a line each. */
  readonly remarks: string
}

export function buildReport(result: RunResult, args: readonly string[]): Report {
  return {
    date: new Date().toISOString(),
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    machine: thisMachine(),
    targets: judgeRun(result),
    rows: Object.fromEntries(Object.keys(result.rounds[0] ?? {}).map(name => [name, summary(name, result.rounds)])),
    memory: result.memory,
    holdMemory: result.holdMemory,
    remarks: result.remarks.join('\n'),
  }
}

/** The rounds are members `1`, `2` … */
function summary(name: string, rounds: readonly Round[]): { median: Measurement; rounds: Round } {
  const measured = rounds.map(round => round[name] as Measurement)
  const columns = Object.keys(measured[0] ?? {}) as (keyof Measurement)[]
  const medians = columns.map(column => [column, median(measured.map(row => row[column]))])
  return {
    median: Object.fromEntries(medians) as Measurement,
    rounds: Object.fromEntries(measured.map((row, i) => [i + 1, row])),
  }
}
