import type { Measurement } from '../measure.ts'
import { cpu, judgeRounds, type RoundTarget, ratio, type TargetResult } from '../report/judge.ts'
import type { PeerRun } from './run.ts'

type Round = Readonly<Record<string, Measurement | undefined>>

const TARGETS: readonly RoundTarget<Round>[] = [
  {
    name: 'gRPC: CPU of a check (service + store) ÷ envoyproxy/ratelimit’s',
    unit: '×',
    atMost: 1,
    of: round => ratio(cpu(round['service, gRPC']), cpu(round['envoyproxy/ratelimit, gRPC'])),
  },
  {
    name: 'gRPC in hundreds: the same',
    unit: '×',
    atMost: 1.3,
    of: round => ratio(cpu(round['service, gRPC, in hundreds']), cpu(round['envoyproxy/ratelimit, gRPC, in hundreds'])),
  },
]

export function judgePeers({ rows }: PeerRun): readonly TargetResult[] {
  const count = Math.max(0, ...[...rows.values()].map(({ length }) => length))
  const rounds = Array.from({ length: count }, (_, i) =>
    Object.fromEntries([...rows].map(([name, measured]) => [name, measured[i]])),
  )
  return judgeRounds(TARGETS, rounds)
}
