import { policyNameFault } from '../domain/key.ts'
import { MAX_COUNT } from '../domain/limits/limit-fault.ts'
import { acceptKey, BACKEND_HELP, BACKEND_OPTIONS, integer, textOf } from './backend-options.ts'
import { type CliCommand, UsageError } from './command.ts'
import { decisionText } from './decision-text.ts'
import { ExitCode } from './exit-code.ts'
import { writeResult } from './output.ts'
import { withBackend } from './with-backend.ts'

export const checkCommand: CliCommand = {
  arguments: 'KEY [--tokens N] [--policy NAME] [--json] [--url URL [--token-file FILE]]',
  summary: 'decides a check, and spends its tokens if it is allowed',
  details: `  --tokens N          tokens to spend, from 0 (only reads) to ${MAX_COUNT}; default: 1
  --policy NAME       the config key of the policy to check by, or "default"
${BACKEND_HELP}

Exit code 1 if the check is denied.`,
  options: { ...BACKEND_OPTIONS, tokens: { type: 'string' }, policy: { type: 'string' } },
  operands: { min: 1, max: 1 },
  run: async (values, [key = '']) => {
    const asked = {
      key: acceptKey(key),
      tokens: integer('--tokens', textOf(values['tokens']) ?? '1', { min: 0, max: MAX_COUNT }),
      ...policyOf(textOf(values['policy'])),
    }
    const decision = await withBackend(values, backend => backend.check(asked))
    writeResult(values, decision, () => decisionText(decision))
    return decision.allowed ? ExitCode.ok : ExitCode.found
  },
}

/** @throws {UsageError} */
function policyOf(name: string | undefined): { policy?: string } {
  if (name === undefined) return {}
  const fault = policyNameFault(name)
  if (fault !== undefined) throw new UsageError(`--policy ${fault}`)
  return { policy: name }
}
