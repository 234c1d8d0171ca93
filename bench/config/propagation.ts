import { setTimeout as sleep } from 'node:timers/promises'
import { RedisServer } from '../../test/support/redis-server.ts'
import type { MeasuredProcess } from '../processes/measured-process.ts'
import { startService } from '../processes/service.ts'
import { startWorker } from '../processes/worker.ts'
import { putPolicy } from './change.ts'
import { pace } from './pace.ts'

const FRONTS = 2
const CHANGES_A_SECOND = 200
/** Each key is changed every ten seconds. */
const KEYS = 2_000
const WARM_UP_SECONDS = 3
/** How long a front rests between two questions, which bounds how exactly times are known. */
const POLL_PAUSE_MS = 1

export interface Propagation {
  readonly fronts: number
  readonly changesPerSecond: number
  readonly changes: number
  /** Time from the acceptance of a change until the last front process enforces it, in ms. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** A change on its way. */
interface Pending {
  readonly version: number
  /** Absent until it was accepted. */
  acceptedAt?: number
  /** When each front was first seen to obey it. */
  readonly obeyedAt: (number | undefined)[]
}

/** How long changes take from their acceptance until every front process obeys them, at a steady rate. */
export async function measurePropagation(seconds: number): Promise<Propagation> {
  const redis = await RedisServer.start()
  const fronts: MeasuredProcess[] = []
  const stops = [() => redis.stop()]
  try {
    for (let i = 0; i < FRONTS; i++) {
      const front = await startService(redis.url)
      fronts.push(front)
      stops.unshift(front.stop)
    }
    stops.unshift(await startWorker(redis.url))
    const times = await changeAndWatch(fronts, seconds)
    const sorted = times.toSorted((a, b) => a - b)
    const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
    return {
      fronts: FRONTS,
      changesPerSecond: CHANGES_A_SECOND,
      changes: sorted.length,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      maxMs: quantile(1),
    }
  } finally {
    for (const stop of stops) await stop()
  }
}

async function changeAndWatch(fronts: readonly MeasuredProcess[], seconds: number): Promise<readonly number[]> {
  const pending = new Map<string, Pending>()
  const times: number[] = []
  const warmUp = WARM_UP_SECONDS * CHANGES_A_SECOND
  let isOver = false

  const settle = (key: string, change: Pending) => {
    const { acceptedAt, obeyedAt } = change
    if (acceptedAt === undefined || obeyedAt.includes(undefined)) return
    pending.delete(key)
    const last = Math.max(...(obeyedAt as number[]))
    times.push(Math.max(0, last - acceptedAt))
  }
  const watch = async ({ port }: MeasuredProcess, front: number) => {
    while (!isOver || pending.size > 0) {
      const asked = [...pending].filter(([, { obeyedAt }]) => obeyedAt[front] === undefined)
      if (asked.length > 0) {
        const versions = await versionsOn(
          port,
          asked.map(([key]) => key),
        )
        const now = performance.now()
        for (const [i, [key, change]] of asked.entries()) {
          if ((versions[i] ?? 0) < change.version) continue
          change.obeyedAt[front] = now
          settle(key, change)
        }
      }
      await sleep(POLL_PAUSE_MS)
    }
  }
  const watches = fronts.map(watch)
  await pace(CHANGES_A_SECOND, WARM_UP_SECONDS + seconds, async n => {
    const key = `key-${n % KEYS}`
    const version = Math.floor(n / KEYS) + 1
    const change: Pending = { version, obeyedAt: fronts.map(() => undefined) }
    pending.set(key, change)
    await putPolicy(fronts[n % fronts.length]?.port ?? 0, key, version)
    change.acceptedAt = performance.now()
    settle(key, change)
  })
  isOver = true
  await Promise.all(watches)
  return times.slice(warmUp)
}

/** At which version a front process has the policies of these keys; at most 1,000 are asked for. */
async function versionsOn(port: number, keys: readonly string[]): Promise<readonly number[]> {
  const checks = keys.slice(0, 1_000).map(key => ({ key, tokens: 0 }))
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`http://127.0.0.1:${port}/check/batch`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ checks }),
  })
  const { results } = (await answer.json()) as { results: { policyVersion: number }[] }
  return results.map(({ policyVersion }) => policyVersion)
}
