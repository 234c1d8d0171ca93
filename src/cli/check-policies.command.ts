import { configKeyWarnings } from '../config-change/config-key-warnings.ts'
import { ImportChecker } from '../config-change/import/import-checker.ts'
import { type Line, linesOf } from '../config-change/import/ndjson.ts'
import { Problem } from '../lib/errors.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { readInput } from './input-file.ts'
import { printable } from './printable.ts'
import { TerminalProgress } from './progress.ts'

export const checkPoliciesCommand: CliCommand = {
  arguments: 'FILE',
  summary: 'validates a file of policies, without a service or a store',
  details: `Reads FILE (- for standard input), one policy per line as \`throttler export\` writes them, and reports every line that cannot be
imported; exit code 1 if there is one. It also warns about keys that probably match something else than intended, such as networks:
keys are text.`,
  operands: { min: 1, max: 1 },
  run: async (_, [file = '']) => {
    const progress = new TerminalProgress('bytes read')
    const counts = { good: 0, bad: 0 }
    for await (const { isGood, messages } of findingsIn(readInput(file, progress))) {
      counts[isGood ? 'good' : 'bad']++
      if (messages.length > 0) progress.clear()
      for (const message of messages) process.stdout.write(`${printable(message)}\n`)
    }
    progress.clear()
    process.stdout.write(`${counts.good} good, ${counts.bad} bad\n`)
    return counts.bad === 0 ? ExitCode.ok : ExitCode.found
  },
}

interface Finding {
  readonly isGood: boolean
  readonly messages: readonly string[]
}

/** One finding for each line. A line that is too long ends the file. */
async function* findingsIn(file: AsyncIterable<Buffer>): AsyncGenerator<Finding> {
  const checker = new ImportChecker()
  try {
    for await (const lines of linesOf(file)) for (const line of lines) yield checkLine(checker, line)
  } catch (err) {
    yield badLine(err)
  }
}

function checkLine(checker: ImportChecker, line: Line): Finding {
  try {
    const { key } = checker.check(line)
    return { isGood: true, messages: configKeyWarnings(key).map(text => `line ${line.number}: warning: ${text}`) }
  } catch (err) {
    return badLine(err)
  }
}

/** @throws what is not a problem of the line */
function badLine(err: unknown): Finding {
  if (!(err instanceof Problem)) throw err
  return { isGood: false, messages: [`line ${err.members['line']}: ${err.cause}`] }
}
