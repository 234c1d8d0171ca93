import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A working directory without a developer's `.env`. */
const WITHOUT_DOTENV = fileURLToPath(new URL('.', import.meta.url))

/** Every command, in the order of the help. */
export const COMMANDS = [
  'start',
  'api',
  'worker',
  'check',
  'reset',
  'get',
  'set',
  'delete',
  'history',
  'rollback',
  'export',
  'import',
  'check-policies',
  'simulate',
  'convert-log',
  'translate-ratelimit-config',
  'verify',
  'rebuild',
  'compact',
]

export interface CliResult {
  readonly code: number | null
  /** What it wrote to standard output. */
  readonly output: string
  /** What it wrote to standard error. */
  readonly complaints: string
}

interface CliPlace {
  /** The root of the build; by default that of this repository. */
  readonly root?: string | undefined
  /** The working directory; by default one without `.env`. */
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

/** Runs the `throttler` command for a reader that has closed the pipe before. Resolves with its standard error. */
export async function runThrottlerUnheard(...args: readonly string[]): Promise<string> {
  const child = spawnThrottler(args)
  child.stdout.destroy()
  return text(child.stderr)
}

/** Runs the `throttler` command with a file as a standard stream, as a shell redirects it: `> /dev/full`. */
export async function runThrottlerWith(
  redirection: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const command = [process.execPath, join(ROOT, 'dist/src/cli.js'), ...args]
  const options = { cwd: WITHOUT_DOTENV, env: { PATH: process.env['PATH'], ...variables } }
  const child = spawn('sh', ['-c', `exec "$@" ${redirection}`, 'sh', ...command], options)
  const [output, complaints] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, output, complaints }
}

/** Lines that explain what a command has waited for longer than two seconds. */
const EXPLANATIONS = /^(?:waiting for command|no worker has taken command) .*\n/gm

/** Text of standard error without what appears only on a slow machine. */
function withoutExplanations(text: string): string {
  return text.replace(EXPLANATIONS, '')
}

/** Runs the `throttler` command to its end, however long it waits for a change to be applied. */
export async function runThrottlerPatiently(...args: Parameters<typeof runThrottler>): Promise<CliResult> {
  const result = await runThrottler(...args)
  return { ...result, complaints: withoutExplanations(result.complaints) }
}

const ERASE_LINE = '\r\u001b[K'

/** Runs the `throttler` command on a terminal, like `runThrottlerPatiently`. Its output then contains its complaints. */
export async function runThrottlerOnTerminal(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Pick<CliResult, 'code' | 'output'>> {
  const command = [process.execPath, join(ROOT, 'dist/src/cli.js'), ...args].map(quoted).join(' ')
  const env = { PATH: process.env['PATH'], SHELL: '/bin/sh', ...variables }
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: WITHOUT_DOTENV, env })
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  return { code: child.exitCode, output: withoutExplanations(output.split('\r\n').map(withoutErased).join('\n')) }
}

/** Progress is shown on a line, and erased before the line is used for output. */
function withoutErased(line: string): string {
  return line.split(ERASE_LINE).at(-1) ?? ''
}

/** A word of a shell's command line. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
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

/** The objects that a command printed as JSON, one on each line. */
export function objectsIn(output: string): unknown[] {
  return output
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
}
