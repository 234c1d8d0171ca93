import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface CliResult {
  readonly code: number | null
  /** What it wrote to standard output. */
  readonly output: string
  /** What it wrote to standard error. */
  readonly complaints: string
}

/** Runs the `throttler` command that was built in `root`. */
function spawnThrottler(args: readonly string[], variables: Readonly<Record<string, string>> = {}, root = ROOT) {
  const env = { PATH: process.env['PATH'], ...variables }
  return spawn(process.execPath, [join(root, 'dist/src/cli.js'), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Runs it for a reader that has seen enough before it says anything. Resolves with what it complains of. */
export async function runThrottlerUnheard(...args: readonly string[]): Promise<string> {
  const child = spawnThrottler(args)
  child.stdout.destroy()
  return text(child.stderr)
}

/** Runs it to its end. @param root where it was built; here unless given */
export async function runThrottler(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  root?: string,
): Promise<CliResult> {
  const child = spawnThrottler(args, variables, root)
  const written = { output: '', complaints: '' }
  child.stdout.setEncoding('utf8').on('data', part => {
    written.output += part
  })
  child.stderr.setEncoding('utf8').on('data', part => {
    written.complaints += part
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...written }
}
