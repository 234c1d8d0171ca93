import { configKeyWarnings } from '../config-change/config-key-warnings.ts'
import { ImportChecker } from '../config-change/import/import-checker.ts'
import { type Line, linesOf } from '../config-change/import/ndjson.ts'
import { Problem } from '../lib/errors.ts'
import type { CliCommand, Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { readInput } from './input-file.ts'
import { JSON_HELP, JSON_OPTION, resultText, writeParts, writeResult } from './output.ts'
import { printable } from './printable.ts'
import { TerminalProgress } from './progress.ts'

export const checkPoliciesCommand: CliCommand = {
  arguments: 'FILE [--json]',
  summary: 'validates a file of policies, without a service or a store',
  details: `${JSON_HELP}

Reads FILE (- for standard input), one policy per line as \`throttler export\` writes them, and reports every line that cannot be
imported; exit code 1 if there is one. It also warns about keys that probably match something else than intended, such as networks:
keys are text. As JSON, each finding is a line, and the last line has the numbers of good and bad lines.`,
  options: JSON_OPTION,
  operands: { min: 1, max: 1 },
  run: async (values, [file = '']) => {
    const counts = { good: 0, bad: 0 }
    await writeParts(findingTexts(values, file, counts))
    writeResult(values, counts, () => `${counts.good} good, ${counts.bad} bad\n`)
    return counts.bad === 0 ? ExitCode.ok : ExitCode.found
  },
}

/** Counts the lines of the file, and yields the text of each finding. */
async function* findingTexts(
  values: Values,
  file: string,
  counts: { good: number; bad: number },
): AsyncGenerator<string> {
  const progress = new TerminalProgress('bytes read')
  for await (const findings of checkedLines(readInput(file, progress))) {
    counts[findings.some(({ severity }) => severity === 'error') ? 'bad' : 'good']++
    if (findings.length > 0) progress.clear()
    for (const finding of findings) yield resultText(values, finding, () => findingText(finding))
  }
  progress.clear()
}

interface Finding {
  /** From 1. */
  readonly line: number
  /** A line with an error cannot be imported. */
  readonly severity: 'error' | 'warning'
  readonly detail: string
}

function findingText({ line, severity, detail }: Finding): string {
  return `${printable(`line ${line}: ${severity === 'warning' ? 'warning: ' : ''}${detail}`)}\n`
}

/** The findings of each line. A line that is too long ends the file. */
async function* checkedLines(file: AsyncIterable<Buffer>): AsyncGenerator<readonly Finding[]> {
  const checker = new ImportChecker()
  try {
    for await (const lines of linesOf(file)) for (const line of lines) yield checkLine(checker, line)
  } catch (err) {
    yield [errorOf(err)]
  }
}

function checkLine(checker: ImportChecker, line: Line): readonly Finding[] {
  try {
    const { key } = checker.check(line)
    return configKeyWarnings(key).map(detail => ({ line: line.number, severity: 'warning', detail }))
  } catch (err) {
    return [errorOf(err)]
  }
}

/** @throws what is not a problem of the line */
function errorOf(err: unknown): Finding {
  if (!(err instanceof Problem)) throw err
  return { line: Number(err.members['line']), severity: 'error', detail: String(err.cause) }
}
