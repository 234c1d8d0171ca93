import { acceptConfigKey, CHANGE_HELP, CHANGE_OPTIONS } from './backend-options.ts'
import { changePolicy } from './change-policy.ts'
import type { CliCommand } from './command.ts'

export const deleteCommand: CliCommand = {
  arguments: 'KEY [OPTIONS]',
  summary: 'deletes the policy of a config key',
  details: CHANGE_HELP,
  options: CHANGE_OPTIONS,
  operands: { min: 1, max: 1 },
  run: async (values, [key = '']) => changePolicy(values, { type: 'delete', key: acceptConfigKey(key) }),
}
