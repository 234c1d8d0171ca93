import { cpu, judgeRounds, type RoundTarget, ratio, type TargetResult } from '../report/judge.ts'
import type { DeploymentName } from './deployments.ts'
import type { ClusterRound } from './run.ts'

const dearer = (row: string, deployment: DeploymentName) => (round: ClusterRound) =>
  ratio(cpu(round[row]?.[deployment]), cpu(round[row]?.['one server']))

const TARGETS: readonly RoundTarget<ClusterRound>[] = [
  {
    name: 'CPU of a check (front + Redis), 3 masters ÷ one server',
    unit: '×',
    atMost: 1.25,
    of: dearer('single', '3 masters'),
  },
  {
    name: 'CPU of a check (front + Redis), 6 masters ÷ one server',
    unit: '×',
    atMost: 1.4,
    of: dearer('single', '6 masters'),
  },
  {
    name: 'batches of 100: the same, 3 masters ÷ one server',
    unit: '×',
    atMost: 1.25,
    of: dearer('batch100', '3 masters'),
  },
  {
    name: 'script calls a check, 3 masters, closed loop of 128',
    unit: '',
    atMost: 0.15,
    of: round => round['single']?.['3 masters'].scriptCallsPerDecision ?? Number.NaN,
  },
]

export function judgeCluster(rounds: readonly ClusterRound[]): readonly TargetResult[] {
  return judgeRounds(TARGETS, rounds)
}
