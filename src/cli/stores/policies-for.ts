import type { AskedCheck } from '../../check/pending-check.ts'
import type { PolicyReader } from '../../config-change/ports.ts'
import { compilePolicy, DEFAULT_POLICY, type PolicyDefinition } from '../../domain/policy.ts'
import { PolicyTable } from '../../domain/policy-table.ts'
import { enforcedAt } from '../../domain/temporary-policy.ts'

/** The policies that can be in force for a check: a table of a few hundred entries instead of all policies. */
export async function policiesFor(
  asked: AskedCheck,
  reader: Pick<PolicyReader, 'get'>,
  builtIn: PolicyDefinition,
): Promise<PolicyTable> {
  const table = new PolicyTable(compilePolicy(DEFAULT_POLICY, 0, builtIn))
  const records = await Promise.all(candidatesOf(asked).map(configKey => reader.get(configKey)))
  for (const record of records) {
    const definition = record && enforcedAt(record.policy, Date.now())
    if (record && definition) table.set(record.key, record.version, definition)
  }
  return table
}

/** The key itself, and the named policy or each prefix. */
function candidatesOf({ key, policy }: AskedCheck): readonly string[] {
  if (policy !== undefined) return [...new Set([key, policy])]
  const characters = Array.from(key)
  const prefixes = Array.from(
    { length: characters.length + 1 },
    (_, length) => `${characters.slice(0, length).join('')}*`,
  )
  return [...new Set([key, ...prefixes])]
}
