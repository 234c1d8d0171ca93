import type { DefinitionBody, DryRunBody, EventBody, PolicyBody } from './backend/backend.ts'
import { printable } from './printable.ts'
import { fieldLines, tableOf } from './tables.ts'

/** A stored policy, for people. */
export function policyText(policy: PolicyBody): string {
  const { key, version, updatedAt, updatedBy, ...definition } = policy
  return definitionText(definition, { key, version, updated: `${updatedAt} by ${updatedBy}` })
}

/** The part that an operator writes. */
function definitionText({ limits = [], then, ...members }: DefinitionBody, first: object = {}): string {
  const following = then === undefined ? '' : followingText(then)
  return fieldLines({ ...first, ...members }) + (limits.length === 0 ? '' : `\n${tableOf(limits)}`) + following
}

function followingText(then: DefinitionBody | null): string {
  return then === null ? '\nthen no policy\n' : `\nthen:\n${definitionText(then)}`
}

/** Changes of a policy, one per line. */
export function eventsText(events: readonly EventBody[]): string {
  return tableOf(
    events.map(({ version, type, at, actor, reason, policy }) => ({
      version,
      type,
      at,
      actor,
      reason,
      policy: policy === null ? '' : summaryOf(policy),
    })),
  )
}

/** In one line: "enforce; burst: capacity 100, refillTokens 10, refillIntervalMs 1000". */
function summaryOf({ mode, limits = [], overdraft, expiresAt }: DefinitionBody): string {
  const until = expiresAt === undefined ? [] : [`until ${expiresAt}`]
  return [mode, ...limits.map(limitSummary), ...(overdraft ? ['overdraft'] : []), ...until].join('; ')
}

function limitSummary(limit: object): string {
  const { name, ...members } = limit as Record<string, unknown>
  const values = Object.entries(members).map(([member, value]) => `${member} ${value}`)
  return `${name}: ${values.join(', ')}`
}

/** What a change would do. */
export function dryRunText(key: string, { from, to, matches, warnings }: DryRunBody): string {
  const name = printable(JSON.stringify(key))
  const shown = (policy: DefinitionBody | null) => (policy === null ? 'no policy\n' : definitionText(policy))
  const notes = [
    ...(matches === 0 ? [] : [`policies inside ${name} that still take precedence: ${matches}`]),
    ...warnings.map(warning => `warning: ${printable(warning)}`),
  ]
  const change = isChange({ from, to })
    ? `${name} would change\n\nfrom:\n${shown(from)}\nto:\n${shown(to)}`
    : `${name} would not change\n`
  return change + notes.map(note => `${note}\n`).join('')
}

/** Both come from one serializer, so equal policies have equal JSON. */
export function isChange({ from, to }: Pick<DryRunBody, 'from' | 'to'>): boolean {
  return JSON.stringify(from) !== JSON.stringify(to)
}
