import { setTimeout as sleep } from 'node:timers/promises'
import { withDeadline } from '../lib/deadline.ts'
import type { RedisClient } from '../redis/connection/connection.ts'

/** How long a connection that is established may still refuse calls, in ms: on a cluster, those to its masters follow. */
const CONNECTING_MS = 500

/** Interval between attempts to reach the bucket store, in ms. */
const PROBE_INTERVAL_MS = 20

/** What ioredis calls a connection whose first attempt has neither succeeded nor failed. */
const CONNECTING: ReadonlySet<string> = new Set(['wait', 'connecting', 'connect'])

interface AwaitOptions {
  readonly redis: RedisClient
  /** By `performance.now()`. */
  readonly deadlineMs: number
  /** Whether the store answers, without an effect on its circuit. */
  isAvailable(): Promise<boolean>
  /** The same; too many failures open its circuit. */
  probe(): Promise<boolean>
  isClosed(): boolean
}

/**
 * Resolves when the bucket store has answered at the start, or soon after the deadline. No caller should wait for the first call, for which
 * Redis compiles the script. The circuit of a store that is down is open afterwards. While a connection is being established, failures say
 * nothing of the store, so they do not count.
 */
export async function awaitBucketStore(options: AwaitOptions): Promise<void> {
  const { redis, deadlineMs, isAvailable, probe, isClosed } = options
  await connectionSettled(redis, deadlineMs)
  const connectedByMs = performance.now() + CONNECTING_MS
  const isBefore = (timeMs: number) => !isClosed() && performance.now() < timeMs
  const isConnecting = () => redis.status === 'ready' && isBefore(connectedByMs)
  while (isConnecting() && !(await isAvailable())) await sleep(PROBE_INTERVAL_MS)
  const probedUntilMs = Math.max(deadlineMs, connectedByMs)
  while (isBefore(probedUntilMs) && !(await probe())) await sleep(PROBE_INTERVAL_MS)
}

/** Resolves once the first attempt to connect has succeeded or failed, or at the deadline. */
async function connectionSettled(redis: RedisClient, deadlineMs: number): Promise<void> {
  if (!CONNECTING.has(redis.status)) return
  const settled = new Promise<void>(resolve => {
    redis.once('ready', () => resolve())
    redis.once('close', () => resolve())
  })
  await withDeadline(settled, deadlineMs - performance.now()).catch(() => undefined)
}
