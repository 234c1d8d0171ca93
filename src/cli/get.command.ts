import { acceptConfigKey, BACKEND_HELP, BACKEND_OPTIONS } from './backend-options.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { writeResult } from './output.ts'
import { policyText } from './policy-text.ts'
import { withBackend } from './with-backend.ts'

export const getCommand: CliCommand = {
  arguments: 'KEY [--json] [--url URL [--token-file FILE]]',
  summary: 'prints the policy of a config key',
  details: `${BACKEND_HELP}

Exit code 1 if the key has no policy.`,
  options: BACKEND_OPTIONS,
  operands: { min: 1, max: 1 },
  run: async (values, [key = '']) => {
    const configKey = acceptConfigKey(key)
    const policy = await withBackend(values, backend => backend.get(configKey))
    writeResult(values, policy, () => policyText(policy))
    return ExitCode.ok
  },
}
