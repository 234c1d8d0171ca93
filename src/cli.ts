#!/usr/bin/env node
/** The `throttler` command: parses the command line, runs one command, and exits with a code that scripts can use. */
import { NegativeAnswer } from './cli/backend/failure.ts'
import { type CliCommand, UsageError } from './cli/command.ts'
import { COMMANDS } from './cli/commands.ts'
import { ExitCode } from './cli/exit-code.ts'
import { parseArguments } from './cli/parse-arguments.ts'
import { printable } from './cli/printable.ts'
import { refuseInvalidUtf8 } from './cli/refuse-invalid-utf8.ts'
import { reportOf } from './lib/operator-error.ts'
import { version } from './lib/version.ts'

const NAME_WIDTH = Math.max(...Object.keys(COMMANDS).map(name => name.length)) + 2

async function usage(): Promise<string> {
  const lines = Object.entries(COMMANDS).map(
    async ([name, load]) => `  ${name.padEnd(NAME_WIDTH)}${(await load()).summary}`,
  )
  return `throttler COMMAND [OPTIONS]

${(await Promise.all(lines)).join('\n')}

  throttler COMMAND --help describes a command; throttler --version prints the release.
  Commands use the stores of the service: CONFIG_REDIS_URL and REDIS_URL, or the embedded store in DATA_DIR. With --url, those from check
  to import ask a service over HTTP instead. Like the service, they read settings from .env in the working directory; environment
  variables take precedence.
  On a terminal, results are for people. Otherwise, and with --json, they are JSON.
  Exit codes: 0 success; 1 a negative result (a denial, differences, no policy, a rejected change); 2 the command could not run.
`
}

async function main([name, ...args]: readonly string[]): Promise<ExitCode> {
  if (name === '--version') return say(`${version}\n`)
  if (name === undefined || name === '--help' || name === 'help') {
    return name === undefined ? complain(await usage()) : say(await usage())
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined) return complain(`throttler: unknown command ${JSON.stringify(name)}\n\n${await usage()}`)
  const command = await load()
  try {
    refuseInvalidUtf8(args)
    const { values, positionals } = parseArguments(command, args)
    if (values['help'] === true) return say(helpOf(name, command))
    return await command.run(values, operandsOf(command, positionals))
  } catch (err) {
    const hint = err instanceof UsageError ? `; "throttler ${name} --help" describes the command` : ''
    const code = complain(`throttler ${name}: ${shown(reportOf(err))}${hint}\n`)
    return err instanceof NegativeAnswer ? ExitCode.found : code
  }
}

/** Safe to show on a terminal: the text may quote an argument, or what a service answered. */
function shown(report: string): string {
  return report.split('\n').map(printable).join('\n')
}

function operandsOf({ operands = { min: 0, max: 0 } }: CliCommand, given: readonly string[]): readonly string[] {
  if (given.length < operands.min) throw new UsageError('an argument is missing')
  if (given.length > operands.max)
    throw new UsageError(`${JSON.stringify(given[operands.max])} is one argument too many`)
  return given
}

function helpOf(name: string, command: CliCommand): string {
  return `throttler ${name} ${command.arguments}`.trimEnd().concat(`\n\n${command.summary}\n\n${command.details}\n`)
}

function say(text: string): ExitCode {
  process.stdout.write(text)
  return ExitCode.ok
}

function complain(text: string): ExitCode {
  process.stderr.write(text)
  return ExitCode.trouble
}

// A reader such as `head` may close the pipe early.
process.stdout.on('error', (err: NodeJS.ErrnoException) => {
  process.exit(
    err.code === 'EPIPE'
      ? ExitCode.trouble
      : complain(`throttler: standard output cannot be written: ${err.message}\n`),
  )
})
// Without standard error, nobody can be told of its failure.
process.stderr.on('error', () => undefined)

process.exitCode = await main(process.argv.slice(2))
