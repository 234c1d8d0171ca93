import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { LoadGenerator } from '../load/load-generator.ts'
import { cpuMicros } from '../probes/process-usage.ts'
import { redisCalls } from '../probes/redis-calls.ts'
import type { Row } from '../rows.ts'
import type { Deployment } from './deployments.ts'

/** What one row showed of a deployment in one round, all its processes together. */
export interface DeploymentMeasurement {
  readonly decisionsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU µs a decision. */
  readonly frontMicros: number
  readonly redisMicros: number
  readonly scriptCallsPerDecision: number
  readonly commandsPerDecision: number
  /** The CPU of the busiest Redis server ÷ the mean of all. */
  readonly hottestServer: number
  readonly unexpectedAnswers: number
}

interface Timing {
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Ends the run early. */
  readonly stop: AbortSignal
}

/** Loads every front at the same time, and looks at everything between the warm-up and the end. */
export async function measureDeployment(
  row: Pick<Row, 'requests' | 'ratePerSecond' | 'decisionsPerAnswer' | 'status'>,
  { fronts, servers }: Deployment,
  { seconds, warmUpSeconds, stop: signal }: Timing,
): Promise<DeploymentMeasurement> {
  const loads = fronts.map(() => new LoadGenerator())
  const clients = servers.map(({ url }) => new Redis(url))
  try {
    await Promise.all(loads.map((load, i) => load.start({ ...row, port: fronts[i]?.port ?? 0 })))
    await sleep(warmUpSeconds * 1000, undefined, { signal })
    await Promise.all(loads.map(load => load.measure()))
    const look = async () => ({
      front: cpuMicros(fronts.flatMap(({ pids }) => pids)),
      redis: servers.map(({ pid }) => cpuMicros([pid])),
      calls: await Promise.all(clients.map(redisCalls)),
    })
    const before = await look()
    await sleep(seconds * 1000, undefined, { signal })
    const after = await look()
    const results = await Promise.all(loads.map(load => load.stop()))

    const decisions = sum(results.map(({ answers }) => answers)) * row.decisionsPerAnswer
    const perServer = after.redis.map((micros, i) => micros - (before.redis[i] ?? 0))
    const called = (kind: 'scripts' | 'commands') =>
      sum(after.calls.map((calls, i) => calls[kind] - (before.calls[i]?.[kind] ?? 0)))
    return {
      decisionsPerSecond: sum(results.map(({ answers, seconds }) => (answers * row.decisionsPerAnswer) / seconds)),
      p50Ms: Math.max(...results.map(({ p50Ms }) => p50Ms)),
      p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
      frontMicros: (after.front - before.front) / decisions,
      redisMicros: sum(perServer) / decisions,
      scriptCallsPerDecision: called('scripts') / decisions,
      commandsPerDecision: called('commands') / decisions,
      hottestServer: (Math.max(...perServer) * servers.length) / sum(perServer),
      unexpectedAnswers: sum(results.map(({ statuses, answers }) => answers - (statuses[row.status] ?? 0))),
    }
  } finally {
    for (const load of loads) load.end()
    for (const client of clients) client.disconnect()
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
