import { redisVersion } from './probes/redis-version.ts'

/** Ends the process if there is no `redis-server`, which the benchmarks start themselves. */
export function requireRedis(): void {
  if (redisVersion() !== undefined) return
  console.error('redis-server is not installed, and the benchmark measures a real one.')
  process.exit(1)
}

/** Aborts when the benchmark is to end early. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  return stop.signal
}
