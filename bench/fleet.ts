import { startComparisonServer } from './processes/comparison-server.ts'
import type { MeasuredProcess } from './processes/measured-process.ts'
import { startService } from './processes/service.ts'
import { type Row, SERVICES } from './rows.ts'

/** Every process that the rows need, by name. They all live for the whole run, and those that are not loaded do nothing. */
export async function startAll(rows: readonly Row[], redisUrl: string): Promise<ReadonlyMap<string, MeasuredProcess>> {
  const started = new Map<string, MeasuredProcess>()
  for (const name of new Set(rows.map(row => row.server))) {
    started.set(name, await (SERVICES.includes(name) ? startService(redisUrl) : startComparisonServer(name, redisUrl)))
  }
  return started
}

/** Why the process cannot run the row, or `undefined`. */
export async function whySkipped(row: Row, { port }: MeasuredProcess): Promise<string | undefined> {
  if (row.requests !== 'batch') return undefined
  const body = JSON.stringify({ checks: [{ key: 'probe', tokens: 0 }] })
  const headers = { 'content-type': 'application/json' }
  const { status } = await fetch(`http://127.0.0.1:${port}/check/batch`, { method: 'POST', headers, body })
  return status === 200 ? undefined : `POST /check/batch answers ${status}`
}

/** How many checks a service decided with its own buckets, because it could not reach Redis in time. */
export async function checksWithoutStore({ port }: MeasuredProcess): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const samples = [...metrics.matchAll(/^throttler_checks_total\{[^}]*source="(?:local|outage)"[^}]*\} (\d+)/gm)]
  return samples.reduce((sum, [, count]) => sum + Number(count), 0)
}
