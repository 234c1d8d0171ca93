import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text as textOf } from 'node:stream/consumers'
import { expect, it } from '@jest/globals'
import { Client } from './client.ts'
import { blocksUnder } from './documents.ts'
import { agreedByAll } from './obeyed.ts'
import type { Service } from './service.ts'

interface Step {
  readonly command: string
  /** Lines of the output; `…` stands for any text. */
  readonly expected: readonly string[]
}

/** How the commands of a document are run. */
interface Conditions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Whether the output is that on a terminal. */
  readonly isOnTerminal?: boolean
  /** Texts in a command, and what the test uses in their place. */
  readonly replaced?: Readonly<Record<string, string>>
  /** What the service has logged, for the report of a failure. */
  readonly log?: () => readonly string[]
  /** Resolves once every process obeys a change of this config key. By default, one process answers all commands. */
  readonly obeyed?: (configKey: string) => Promise<void>
}

/** Lines of a log in the report of a failure. */
const LOG_LINES = 20

/** The commands of the `sh` blocks under a heading, word for word. */
export function shellCommands(heading: string): string[] {
  return blocksUnder('README.md', `## ${heading}`, 'sh').flatMap(text => text.trim().split('\n'))
}

/** The commands of the `console` blocks under a heading, word for word, each with the lines of output that the document shows. */
function steps(path: string, heading: string): Step[] {
  return blocksUnder(path, `## ${heading}`, 'console').flatMap(text =>
    text
      .split(/^\$ /m)
      .slice(1)
      .map(step => {
        const [command = '', ...expected] = step.trimEnd().split('\n')
        return { command, expected }
      }),
  )
}

/** A command that changes a policy. */
const CHANGE = /-X (?:PUT|DELETE) 'localhost:8080\/config\/([^']+)'/

/** Times that count down while a slow machine runs the commands. */
const COUNTDOWN = /(retry-after: |;t=)60/g

function pattern(line: string): RegExp {
  const literal = line.split('…').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${literal.join('.*').replace(COUNTDOWN, '$1(60|[45]\\d)')}$`)
}

/** Proxies of the test go on in this process meanwhile. */
async function run(command: string, { cwd, env, isOnTerminal = false, replaced = {} }: Conditions): Promise<string> {
  const text = Object.entries(replaced).reduce((text, [from, to]) => text.replaceAll(from, to), command)
  const [shell, ...args] = isOnTerminal ? onTerminal(text) : ['sh', '-c', text]
  const variables = { ...process.env, SHELL: '/bin/sh', ...env }
  const child = spawn(shell, args, { cwd, env: variables, stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [status]] = await Promise.all([textOf(child.stdout), once(child, 'close')])
  expect(status).toBe(0)
  return output
}

/** Progress, which standard error would show on the same terminal, is left out. */
function onTerminal(command: string): [shell: string, ...args: string[]] {
  return ['script', '-qec', `(${command}) 2> /dev/null`, '/dev/null']
}

/** Tests the commands that a document shows under a heading, word for word. */
export function itShows(heading: string, conditionsOf: () => Conditions, path = 'README.md'): void {
  it('shows at least one command', () => expect(steps(path, heading)).not.toEqual([]))

  it.each(steps(path, heading))('$command', async ({ command, expected }) => {
    const conditions = conditionsOf()
    const lines = (await run(command, conditions)).split(/\r?\n/)
    const missing = expected.filter(line => !lines.some(shown => pattern(line).test(shown)))
    expect({ missing, ...(missing.length > 0 && { lines, log: conditions.log?.() }) }).toEqual({ missing: [] })
    const changed = CHANGE.exec(command)?.[1]
    if (changed !== undefined) await conditions.obeyed?.(changed)
  })
}

/** Tests the tour of a new service in the README. */
export function itGivesTheTour(serviceOf: () => Service): void {
  itShows('Two-minute tour', () => ({
    replaced: { 'localhost:8080': new URL(serviceOf().url).host },
    log: () => serviceOf().output.slice(-LOG_LINES),
    // The process that answered enforces the change, so the others do once they agree with it.
    obeyed: configKey => agreedByAll(new Client(serviceOf().url), configKey.replace('*', 'any')),
  }))
}
