import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { LoadGenerator } from './load/load-generator.ts'
import { cpuMicros, residentBytes } from './probes/process-usage.ts'
import { redisCalls } from './probes/redis-calls.ts'
import type { MeasuredProcess } from './processes/measured-process.ts'
import type { Row } from './rows.ts'

/** What one row showed in one round. */
export interface Measurement {
  readonly decisionsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU µs a decision. */
  readonly frontMicros: number
  readonly redisMicros: number
  readonly scriptCallsPerSecond: number
  readonly scriptCallsPerDecision: number
  readonly commandsPerDecision: number
  readonly residentMegabytes: number
  /** Answers with another status than nearly all should have. */
  readonly unexpectedAnswers: number
}

interface Bench {
  readonly load: LoadGenerator
  readonly redis: Redis
  readonly redisPid: number
  readonly warmUpSeconds: number
  readonly seconds: number
  /** Ends the run early. */
  readonly stop: AbortSignal
}

/** Loads the process as the row says, and looks at everything between the warm-up and the end. */
export async function measure(row: Row, measured: MeasuredProcess, bench: Bench): Promise<Measurement> {
  const { load, redis, redisPid, stop: signal } = bench
  const port = measured[row.port ?? 'port']
  await load.start({ ...row, port: port ?? 0 })
  await sleep(bench.warmUpSeconds * 1000, undefined, { signal })

  const callsBefore = await redisCalls(redis)
  await load.measure()
  const before = { front: cpuMicros(measured.pids), redis: cpuMicros([redisPid]) }
  await sleep(bench.seconds * 1000, undefined, { signal })
  const after = { front: cpuMicros(measured.pids), redis: cpuMicros([redisPid]) }
  const { answers, seconds, p50Ms, p99Ms, statuses } = await load.stop()
  const callsAfter = await redisCalls(redis)

  const decisions = answers * row.decisionsPerAnswer
  const scriptCalls = callsAfter.scripts - callsBefore.scripts
  return {
    decisionsPerSecond: decisions / seconds,
    p50Ms,
    p99Ms,
    frontMicros: (after.front - before.front) / decisions,
    redisMicros: (after.redis - before.redis) / decisions,
    scriptCallsPerSecond: scriptCalls / seconds,
    scriptCallsPerDecision: scriptCalls / decisions,
    commandsPerDecision: (callsAfter.commands - callsBefore.commands) / decisions,
    residentMegabytes: residentBytes(measured.frontPid) / 1e6,
    unexpectedAnswers: Object.values(statuses).reduce((a, b) => a + b, 0) - (statuses[row.status] ?? 0),
  }
}
