import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { CONFIG_PARTITIONS } from '../../src/domain/partition.ts'
import { ConfigKeys } from '../../src/redis/keys.ts'
import { RedisServer } from '../../test/support/redis-server.ts'
import { startService } from '../processes/service.ts'
import { startWorker } from '../processes/worker.ts'
import { putPolicy } from './change.ts'

const KEYS = 1_000
const SENDERS = 32
const POLL_MS = 10

export interface Throughput {
  readonly commands: number
  /** Workers and how many commands a second they applied together. */
  readonly byWorkers: readonly { readonly workers: number; readonly perSecond: number }[]
}

/** How many commands a second workers apply that have more than enough to do. */
export async function measureThroughput(commands: number): Promise<Throughput> {
  const byWorkers = []
  for (const workers of [1, 2]) byWorkers.push({ workers, perSecond: await applyAll(commands, workers) })
  return { commands, byWorkers }
}

async function applyAll(commands: number, workers: number): Promise<number> {
  const server = await RedisServer.start()
  const front = await startService(server.url)
  const redis = new Redis(server.url)
  const stops: (() => unknown)[] = [front.stop, () => redis.disconnect(), () => server.stop()]
  try {
    await acceptAll(commands, front.port)
    const begin = performance.now()
    stops.unshift(...(await Promise.all(Array.from({ length: workers }, () => startWorker(server.url)))))
    let startedAt = begin
    for (let applied = 0; applied < commands; ) {
      await sleep(POLL_MS)
      if (applied === 0) startedAt = performance.now()
      applied = await eventsIn(redis)
    }
    return commands / ((performance.now() - startedAt) / 1000)
  } finally {
    for (const stop of stops) await stop()
  }
}

/** Queues them while no worker runs. */
async function acceptAll(commands: number, port: number): Promise<void> {
  let sent = 0
  const sender = async () => {
    while (sent < commands) {
      const n = sent++
      await putPolicy(port, `key-${n % KEYS}`, n + 1)
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sender))
}

async function eventsIn(redis: Redis): Promise<number> {
  const lengths = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => redis.xlen(new ConfigKeys('throttler', n).log))
  return (await Promise.all(lengths)).reduce((a, b) => a + b)
}
