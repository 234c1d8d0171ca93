import { acceptConfigKey, BACKEND_HELP, BACKEND_OPTIONS } from './backend-options.ts'
import type { CliCommand } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { isForPeople, jsonLine } from './output.ts'
import { eventsText } from './policy-text.ts'
import { withBackend } from './with-backend.ts'

export const historyCommand: CliCommand = {
  arguments: 'KEY [--json] [--url URL [--token-file FILE]]',
  summary: 'prints every change of a policy, oldest first',
  details: `${BACKEND_HELP}

As JSON, one change per line. Exit code 1 if the key never had a policy.`,
  options: BACKEND_OPTIONS,
  operands: { min: 1, max: 1 },
  run: async (values, [key = '']) => {
    const configKey = acceptConfigKey(key)
    await withBackend(values, async backend => {
      for await (const events of backend.history(configKey)) {
        process.stdout.write(isForPeople(values) ? eventsText(events) : events.map(jsonLine).join(''))
      }
    })
    return ExitCode.ok
  },
}
