import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Limit } from '../../src/domain/limits/limit.ts'
import type { PolicyDefinition } from '../../src/domain/policy.ts'
import { RedisServer } from '../../test/support/redis-server.ts'
import { LoadGenerator } from '../load/load-generator.ts'
import { LIMIT } from '../policy.ts'
import { cpuMicros, residentBytes } from '../probes/process-usage.ts'
import type { MeasuredProcess } from '../processes/measured-process.ts'
import { startService } from '../processes/service.ts'
import { fillWithPolicies } from './fill.ts'

const POLL_MS = 20
const WARM_UP_MS = 2_000

export interface Scale {
  readonly name: string
  readonly policies: number
  /** From the start of the process until `/ready` says yes. */
  readonly secondsToReady: number
  /** How long the event loop was blocked at most meanwhile. */
  readonly longestBlockMs: number
  readonly residentMegabytes: number
  /** Of Redis, with log, projection and index. */
  readonly redisMegabytes: number
  /** CPU of the front a check. */
  readonly frontMicros: number
}

const QUOTA: Limit = { kind: 'quota', name: 'default', capacity: 1, period: 'month', timeZone: 'Europe/Berlin' }
const equal: PolicyDefinition = { limits: [LIMIT], mode: 'enforce' }

const CASES = [
  { name: 'no policy', share: 0, definitionOf: () => equal },
  { name: 'equal definitions', share: 1, definitionOf: () => equal },
  {
    name: 'all different',
    share: 1,
    definitionOf: (n: number) => ({ ...equal, limits: [{ ...LIMIT, capacity: LIMIT.capacity + n }] }),
  },
  {
    name: 'all different, each with a quota',
    share: 1,
    definitionOf: (n: number) => ({ ...equal, limits: [{ ...QUOTA, capacity: LIMIT.capacity + n }] }),
  },
] as const

/** The cost of a number of policies for a front process. */
export async function measureScale(policies: number, seconds: number, say: (line: string) => void): Promise<Scale[]> {
  const results: Scale[] = []
  for (const { name, share, definitionOf } of CASES) {
    say(`scale: ${name}`)
    const server = await RedisServer.start()
    try {
      await fillWithPolicies(server.url, policies * share, definitionOf)
      results.push({ name, policies: policies * share, ...(await measureFront(server, seconds)) })
    } finally {
      await server.stop()
    }
  }
  return results
}

async function measureFront(server: RedisServer, seconds: number): Promise<Omit<Scale, 'name' | 'policies'>> {
  const redis = new Redis(server.url)
  const redisMegabytes = Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]) / 1e6
  redis.disconnect()
  const begin = performance.now()
  const front = await startService(server.url)
  try {
    while ((await fetch(`http://127.0.0.1:${front.port}/ready`)).status !== 200) await sleep(POLL_MS)
    const secondsToReady = (performance.now() - begin) / 1000
    const metrics = await (await fetch(`http://127.0.0.1:${front.port}/metrics`)).text()
    const longestBlockMs = Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(metrics)?.[1]) * 1000
    const frontMicros = await checkCost(front, seconds)
    const residentMegabytes = residentBytes(front.frontPid) / 1e6
    return { secondsToReady, longestBlockMs, residentMegabytes, redisMegabytes, frontMicros }
  } finally {
    await front.stop()
  }
}

async function checkCost(front: MeasuredProcess, seconds: number): Promise<number> {
  const load = new LoadGenerator()
  try {
    await load.start({ port: front.port, requests: 'single' })
    await sleep(WARM_UP_MS)
    await load.measure()
    const before = cpuMicros(front.pids)
    await sleep(seconds * 1000)
    const after = cpuMicros(front.pids)
    return (after - before) / (await load.stop()).answers
  } finally {
    load.end()
  }
}
