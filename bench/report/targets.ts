import type { Measurement } from '../measure.ts'
import type { BucketMemory } from '../probes/bucket-memory.ts'
import type { Round, RunResult } from '../run.ts'
import { median } from './statistics.ts'

interface Target {
  readonly name: string
  readonly unit: string
  readonly atMost?: number
  readonly atLeast?: number
  /** Its value in one round, from rows that may not have run. */
  readonly of?: (round: Round) => number
  readonly ofMemory?: (memory: BucketMemory) => number
}

export interface TargetResult {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly target: string
  readonly isMet: boolean
}

const cpu = (row: Measurement | undefined) => row && row.frontMicros + row.redisMicros
const ratio = (a: number | undefined, b: number | undefined) => (a ?? Number.NaN) / (b ?? Number.NaN)
const betterPeer = (round: Round) =>
  Math.min(cpu(round['rate-limiter-flexible']) ?? Number.NaN, cpu(round['fastify-rate-limit']) ?? Number.NaN)

const TARGETS: readonly Target[] = [
  {
    name: 'CPU of a single check (front + Redis) ÷ the floor’s',
    unit: '×',
    atMost: 1.35,
    of: round => ratio(cpu(round['ours-single']), cpu(round['floor'])),
  },
  {
    name: 'throughput of single checks ÷ the floor’s',
    unit: '×',
    atLeast: 0.8,
    of: round => ratio(round['ours-single']?.decisionsPerSecond, round['floor']?.decisionsPerSecond),
  },
  {
    name: 'CPU a decision (front + Redis) ÷ the better peer’s',
    unit: '×',
    atMost: 0.62,
    of: round => ratio(cpu(round['ours-single']), betterPeer(round)),
  },
  {
    name: 'Redis CPU a check ÷ one EVALSHA a check',
    unit: '×',
    atMost: 0.45,
    of: round => ratio(round['ours-single']?.redisMicros, round['evalsha-per-check']?.redisMicros),
  },
  {
    name: 'decisions a CPU second, batches of 100 ÷ single',
    unit: '×',
    atLeast: 8,
    of: round => ratio(cpu(round['ours-single']), cpu(round['ours-batch100'])),
  },
  {
    name: 'decisions a CPU second, client with shared calls ÷ single',
    unit: '×',
    atLeast: 4,
    of: round => ratio(cpu(round['ours-client-single-calls']), cpu(round['ours-client'])),
  },
  {
    name: 'Redis script calls a second for a flood on one denied key',
    unit: '/s',
    atMost: 1,
    of: round => round['ours-denied']?.scriptCallsPerSecond ?? Number.NaN,
  },
  {
    name: 'open loop, 10,000 checks a second: p50',
    unit: 'ms',
    atMost: 1,
    of: round => round['ours-open-loop']?.p50Ms ?? Number.NaN,
  },
  {
    name: 'open loop, 10,000 checks a second: p99',
    unit: 'ms',
    atMost: 5,
    of: round => round['ours-open-loop']?.p99Ms ?? Number.NaN,
  },
  { name: 'Redis memory for a bucket', unit: 'bytes', atMost: 200, ofMemory: memory => memory.bytesPerBucket },
  {
    name: 'resident memory of a front process',
    unit: 'MB',
    atMost: 130,
    of: round =>
      Math.max(...Object.entries(round).flatMap(([name, row]) => (isOurs(name) ? row.residentMegabytes : []))),
  },
]

/** Each target that the run can speak to: medians of the rounds' values. */
export function judge({ rounds, memory }: RunResult): readonly TargetResult[] {
  return TARGETS.flatMap(({ name, unit, atMost = Number.POSITIVE_INFINITY, atLeast, of, ofMemory }) => {
    const value = of ? median(rounds.map(of)) : memory && ofMemory ? ofMemory(memory) : Number.NaN
    if (!Number.isFinite(value)) return []
    const target = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
    return { name, value, unit, target, isMet: value <= atMost && value >= (atLeast ?? Number.NEGATIVE_INFINITY) }
  })
}

function isOurs(row: string): boolean {
  return row.startsWith('ours-')
}
