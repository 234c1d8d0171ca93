import { isUtf8 } from 'node:buffer'
import { acceptConfigKey, CHANGE_HELP, CHANGE_OPTIONS } from './backend-options.ts'
import { changePolicy } from './change-policy.ts'
import { type CliCommand, UsageError, type Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { readWhole } from './input-file.ts'
import { writeResult } from './output.ts'
import { dryRunText, isChange } from './policy-text.ts'
import { withBackend } from './with-backend.ts'

/** The service takes no larger body. */
const MAX_POLICY_BYTES = 65_536

export const setCommand: CliCommand = {
  arguments: 'KEY JSON|FILE|- [--dry-run] [OPTIONS]',
  summary: 'stores a policy under a config key, in place of the one it has',
  details: `  --dry-run           prints what would change, and changes nothing; exit code 1 if something would
${CHANGE_HELP}

The policy is JSON that begins with {, a file, or standard input (-):
  throttler set 'user:*' '{"capacity": 100, "refillTokens": 10}'
With expiresAt, the policy is temporary.`,
  options: { ...CHANGE_OPTIONS, 'dry-run': { type: 'boolean' } },
  operands: { min: 2, max: 2 },
  run: async (values, [operand = '', source = '']) => {
    const key = acceptConfigKey(operand)
    const policy = await policyJson(source)
    return values['dry-run'] === true ? dryRun(values, key, policy) : changePolicy(values, { type: 'put', key, policy })
  },
}

async function dryRun(values: Values, key: string, policy: string): Promise<ExitCode> {
  const body = await withBackend(values, backend => backend.dryRun(key, policy))
  writeResult(values, body, () => dryRunText(key, body))
  return isChange(body) ? ExitCode.found : ExitCode.ok
}

/** @throws {UsageError} */
async function policyJson(source: string): Promise<string> {
  if (/^\s*\{/.test(source)) return source
  const bytes = await readWhole(source, MAX_POLICY_BYTES)
  if (bytes === undefined) throw new UsageError(`the policy has more than ${MAX_POLICY_BYTES} bytes`)
  if (!isUtf8(bytes)) throw new UsageError('the policy is not valid UTF-8')
  return bytes.toString()
}
