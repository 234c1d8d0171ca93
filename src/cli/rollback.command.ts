import { acceptConfigKey, CHANGE_HELP, CHANGE_OPTIONS, integer } from './backend-options.ts'
import { changePolicy } from './change-policy.ts'
import type { CliCommand } from './command.ts'

export const rollbackCommand: CliCommand = {
  arguments: 'KEY VERSION [OPTIONS]',
  summary: 'makes a new version of a policy that equals an earlier one',
  details: CHANGE_HELP,
  options: CHANGE_OPTIONS,
  operands: { min: 2, max: 2 },
  run: async (values, [key = '', given = '']) => {
    const version = integer('VERSION', given, { min: 1, max: Number.MAX_SAFE_INTEGER })
    return changePolicy(values, { type: 'rollback', key: acceptConfigKey(key), version })
  },
}
