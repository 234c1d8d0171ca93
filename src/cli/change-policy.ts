import type { Change } from './backend/backend.ts'
import { conditionsOf, textOf, timeoutMsOf } from './backend-options.ts'
import type { Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { writeResult } from './output.ts'
import { policyText } from './policy-text.ts'
import { printable } from './printable.ts'
import { reasonOf } from './reason.ts'
import { withBackend } from './with-backend.ts'

/** What a command changes, without what its common options say. */
type Asked = Change extends infer T ? (T extends Change ? Omit<T, 'reason' | 'conditions'> : never) : never

/** Changes a policy as the options of the command say, waits for the result and prints it. */
export async function changePolicy(values: Values, asked: Asked): Promise<ExitCode> {
  const reason = reasonOf(textOf(values['reason']))
  const conditions = conditionsOf(values)
  const change = { ...asked, ...(reason !== undefined && { reason }), ...(conditions && { conditions }) }
  const wait = { timeoutMs: timeoutMsOf(values), say: (text: string) => void process.stderr.write(`${text}\n`) }
  const policy = await withBackend(values, backend => backend.change(change, wait))
  const { key } = asked
  if (policy !== undefined) writeResult(values, policy, () => policyText(policy))
  else writeResult(values, { key, status: 'deleted' }, () => `deleted ${printable(JSON.stringify(key))}\n`)
  return ExitCode.ok
}
