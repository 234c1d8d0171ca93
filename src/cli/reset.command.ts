import { acceptBucketKey, BACKEND_HELP, BACKEND_OPTIONS } from './backend-options.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { writeResult } from './output.ts'
import { printable } from './printable.ts'
import { withBackend } from './with-backend.ts'

export const resetCommand: CliCommand = {
  arguments: 'KEY [--json] [--url URL [--token-file FILE]]',
  summary: 'fills the bucket of a key',
  details: `${BACKEND_HELP}

The reset takes effect in every process within a second.`,
  options: BACKEND_OPTIONS,
  operands: { min: 1, max: 1 },
  run: async (values, [operand = '']) => {
    const key = acceptBucketKey(operand)
    await withBackend(values, backend => backend.reset(key))
    writeResult(values, { key, status: 'reset' }, () => `reset ${printable(JSON.stringify(key))}\n`)
    return ExitCode.ok
  },
}
