import { configKeyWarnings } from '../config-change/config-key-warnings.ts'
import { ImportChecker } from '../config-change/import/import-checker.ts'
import { linesOf } from '../config-change/import/ndjson.ts'
import { Problem } from '../lib/errors.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { readInput } from './input-file.ts'
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
    const checker = new ImportChecker()
    const counts = { good: 0, bad: 0 }
    const complain = (err: unknown) => {
      if (!(err instanceof Problem)) throw err
      progress.clear()
      process.stdout.write(`line ${err.members['line']}: ${err.cause}\n`)
      counts.bad++
    }
    const warn = (line: number, key: string) => {
      for (const warning of configKeyWarnings(key)) {
        progress.clear()
        process.stdout.write(`line ${line}: warning: ${warning}\n`)
      }
    }
    try {
      for await (const lines of linesOf(readInput(file, progress))) {
        for (const line of lines) {
          try {
            const { key } = checker.check(line)
            counts.good++
            warn(line.number, key)
          } catch (err) {
            complain(err)
          }
        }
      }
    } catch (err) {
      complain(err)
    }
    progress.clear()
    process.stdout.write(`${counts.good} good, ${counts.bad} bad\n`)
    return counts.bad === 0 ? ExitCode.ok : ExitCode.found
  },
}
