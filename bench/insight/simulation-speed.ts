import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
const LINES_PER_PART = 10_000
const KEYS = 10_000
const START_MS = Date.parse('2026-01-31T12:00:00.000Z')
const POLICY = { key: 'user:*', capacity: 100, refillTokens: 10, refillIntervalMs: 1_000 }

/** How many lines a second `throttler simulate` decides, its start included. */
export async function measureSimulation(lines: number): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'throttler-bench-'))
  const [policies, traffic] = [join(directory, 'policies'), join(directory, 'traffic')]
  try {
    await writeFile(policies, `${JSON.stringify(POLICY)}\n`)
    await pipeline(Readable.from(partsOf(lines)), createWriteStream(traffic))
    const startedAt = performance.now()
    await promisify(execFile)(process.execPath, [CLI, 'simulate', '--policies', policies, '--traffic', traffic])
    return (lines * 1_000) / (performance.now() - startedAt)
  } finally {
    await rm(directory, { recursive: true })
  }
}

function* partsOf(lines: number): Generator<string> {
  for (let from = 0; from < lines; from += LINES_PER_PART) {
    yield Array.from({ length: Math.min(LINES_PER_PART, lines - from) }, (_, i) => lineOf(from + i)).join('')
  }
}

function lineOf(n: number): string {
  const at = new Date(START_MS + n).toISOString()
  return `${JSON.stringify({ at, key: `user:${(n * 7919) % KEYS}`, tokens: 1 })}\n`
}
