import type { Round, RunResult } from '../run.ts'
import { cpu, judge, judgeRounds, type RoundTarget, ratio, type Target, type TargetResult } from './judge.ts'

const betterPeer = (round: Round) => Math.min(cpu(round['rate-limiter-flexible']), cpu(round['fastify-rate-limit']))

const TARGETS: readonly RoundTarget<Round>[] = [
  {
    name: 'CPU of a single check (front + Redis) ÷ the floor’s',
    unit: '×',
    atMost: 1.15,
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
    name: 'batches of 100: CPU of a check (front + Redis) ÷ the floor’s of a request',
    unit: '×',
    atMost: 0.2,
    of: round => ratio(cpu(round['ours-batch100']), cpu(round['floor'])),
  },
  {
    name: 'RESP, pipelines of 16 over 8 connections: CPU of a check (front + Redis) ÷ that of an unusual check over HTTP',
    unit: '×',
    atMost: 0.35,
    of: round => ratio(cpu(round['ours-resp-pipelines']), cpu(round['ours-unusual'])),
  },
  {
    name: 'RESP, one command at a time over 64 connections: CPU of a check (front + Redis) ÷ that of an unusual check over HTTP',
    unit: '×',
    atMost: 0.65,
    of: round => ratio(cpu(round['ours-resp']), cpu(round['ours-unusual'])),
  },
  {
    name: 'gRPC, 64 calls at a time: CPU of a check (front + Redis) ÷ that of an unusual check over HTTP',
    unit: '×',
    atMost: 1.6,
    of: round => ratio(cpu(round['ours-grpc']), cpu(round['ours-unusual'])),
  },
  {
    name: 'decisions a CPU second, client with shared calls ÷ single',
    unit: '×',
    atLeast: 4,
    of: round => ratio(cpu(round['ours-client-single-calls']), cpu(round['ours-client'])),
  },
  {
    name: 'all or nothing over 3 keys: CPU (front + Redis) ÷ an unusual check’s',
    unit: '×',
    atMost: 1.8,
    of: round => ratio(cpu(round['ours-group3']), cpu(round['ours-unusual'])),
  },
  {
    name: 'a reservation and its settlement: CPU (front + Redis) ÷ two unusual checks’',
    unit: '×',
    atMost: 1.6,
    of: round => ratio(cpu(round['ours-reservation']), 2 * cpu(round['ours-unusual'])),
  },
  {
    name: 'Redis CPU of a check of a key with 1,000 reservations ÷ one without',
    unit: '×',
    atMost: 2,
    of: round => ratio(round['ours-held']?.redisMicros, round['ours-single']?.redisMicros),
  },
  {
    name: 'Redis script calls a second for a flood on one denied key, with the reports of /top and /denials',
    unit: '/s',
    atMost: 5,
    of: round => round['ours-denied']?.scriptCallsPerSecond ?? Number.NaN,
  },
  {
    name: '10,000 checks a second: CPU of a check (front + Redis) ÷ the floor’s at that rate',
    unit: '×',
    atMost: 2,
    of: round => ratio(cpu(round['ours-open-loop']), cpu(round['floor-open-loop'])),
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
  {
    name: 'resident memory of a front process',
    unit: 'MB',
    atMost: 130,
    of: round =>
      Math.max(...Object.entries(round).flatMap(([name, row]) => (isOurs(name) ? row.residentMegabytes : []))),
  },
]

const MEMORY_OF_A_BUCKET: Target = { name: 'Redis memory for a bucket', unit: 'bytes', atMost: 200 }
const MEMORY_OF_HOLDS: Target = {
  name: 'Redis memory for a bucket with 100 reservations',
  unit: 'bytes',
  atMost: 8_192,
}
const MEMORY_OF_A_RECORD: Target = { name: 'Redis memory for the record of a reservation', unit: 'bytes', atMost: 300 }

/** Each target that the run can speak to. */
export function judgeRun({ rounds, memory, holdMemory }: RunResult): readonly TargetResult[] {
  return [
    ...judgeRounds(TARGETS, rounds),
    ...judge(MEMORY_OF_A_BUCKET, memory?.bytesPerBucket ?? Number.NaN),
    ...judge(MEMORY_OF_HOLDS, holdMemory?.bytesPerBucket ?? Number.NaN),
    ...judge(MEMORY_OF_A_RECORD, holdMemory?.bytesPerRecord ?? Number.NaN),
  ]
}

function isOurs(row: string): boolean {
  return row.startsWith('ours-')
}
