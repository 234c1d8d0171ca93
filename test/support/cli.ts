import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A working directory without the `.env` that a developer may have in the root. */
const WITHOUT_DOTENV = fileURLToPath(new URL('.', import.meta.url))

export interface CliResult {
  readonly code: number | null
  /** What it wrote to standard output. */
  readonly output: string
  /** What it wrote to standard error. */
  readonly complaints: string
}

interface CliPlace {
  /** Where it was built; unset: here. */
  readonly root?: string | undefined
  /** Its working directory; unset: one without `.env`. */
  readonly cwd?: string
}

function spawnThrottler(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  { root = ROOT, cwd = WITHOUT_DOTENV }: CliPlace = {},
) {
  const env = { PATH: process.env['PATH'], ...variables }
  const stdio = ['ignore', 'pipe', 'pipe'] as const
  return spawn(process.execPath, [join(root, 'dist/src/cli.js'), ...args], { cwd, env, stdio: [...stdio] })
}

/** Runs the `throttler` command for a reader that has seen enough before it says anything. Resolves with what it complains of. */
export async function runThrottlerUnheard(...args: readonly string[]): Promise<string> {
  const child = spawnThrottler(args)
  child.stdout.destroy()
  return text(child.stderr)
}

/** Runs the `throttler` command to its end. */
export async function runThrottler(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  place?: CliPlace,
): Promise<CliResult> {
  const child = spawnThrottler(args, variables, place)
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
