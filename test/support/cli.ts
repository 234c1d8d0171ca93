import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ENTRY = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url))

export interface CliResult {
  readonly code: number | null
  /** What it wrote to standard output. */
  readonly output: string
  /** What it wrote to standard error. */
  readonly complaints: string
}

/** Runs the built `throttler` command to its end. */
export async function runThrottler(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const env = { PATH: process.env['PATH'], ...variables }
  const child = spawn(process.execPath, [ENTRY, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const written = { output: '', complaints: '' }
  child.stdout.setEncoding('utf8').on('data', text => {
    written.output += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    written.complaints += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...written }
}
