import type { Limit, PolicyDefinition } from '../api/types.ts'
import { formatExactTime } from './format.ts'
import { limitText } from './policy-text.ts'

/** A member in which two policies differ, with its values as texts; undefined where a policy does not have it. */
export interface Difference {
  readonly member: string
  readonly from: string | undefined
  readonly to: string | undefined
}

/** A member of a policy: in words, and as JSON, by which it is compared. Words can be the same for different values. */
interface Member {
  readonly text: string
  readonly json: string
}

/** The members in which two policies differ. `null` means that there is no policy. An absent member has its default value. */
export function differencesOf(from: PolicyDefinition | null, to: PolicyDefinition | null): readonly Difference[] {
  const before = membersOf(from)
  const after = membersOf(to)
  const differences = [...new Set([...before.keys(), ...after.keys()])]
    .filter(member => before.get(member)?.json !== after.get(member)?.json)
    .map(member => differenceOf(member, before.get(member), after.get(member)))
  return [...differences, ...reorderings(from, to)]
}

function differenceOf(member: string, from: Member | undefined, to: Member | undefined): Difference {
  const form = from?.text === to?.text ? 'json' : 'text'
  return { member, from: from?.[form], to: to?.[form] }
}

/** @param under names the policy whose members these are, if it is part of another one */
function membersOf(policy: PolicyDefinition | null, under = ''): ReadonlyMap<string, Member> {
  if (policy === null) return new Map()
  const { limits = [], mode = 'enforce', overdraft, expiresAt, then, ...rest } = policy
  const members = new Map<string, Member>()
  const add = (name: string, value: unknown, text = typeof value === 'string' ? value : jsonOf(value)) =>
    members.set(`${under}${name}`, { text, json: jsonOf(value) })
  for (const limit of limits) {
    add(`limit ${limit.name}`, withDefaults(limit), `${limitText(limit)}${limit.shadow ? ' (shadow)' : ''}`)
  }
  add('mode', mode)
  if (overdraft) add('overdraft', overdraft)
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) add(name, value)
  if (expiresAt !== undefined) add('ends', expiresAt, formatExactTime(expiresAt))
  if (then === null) add('then', then, 'no policy')
  return then ? new Map([...members, ...membersOf(then, `${under}then: `)]) : members
}

/** A limit as the service stores it, with a value for each member that may be absent. */
function withDefaults(limit: Limit): Limit {
  const { kind = 'bucket', shadow = false, ...rest } = limit
  return { ...(kind === 'bucket' && { refillIntervalMs: 1000 }), ...rest, kind, shadow }
}

/** Where limits change their places. Their order decides which of two equally exhausted ones a decision names. */
function reorderings(from: PolicyDefinition | null, to: PolicyDefinition | null, under = ''): readonly Difference[] {
  if (!from || !to) return []
  const [before, after] = [namesOf(from), namesOf(to)]
  const kept = before.filter(name => after.includes(name))
  const isSame = kept.every((name, index) => name === after[index])
  const own = isSame ? [] : [{ member: `${under}order of limits`, from: before.join(', '), to: after.join(', ') }]
  return [...own, ...reorderings(from.then ?? null, to.then ?? null, `${under}then: `)]
}

function namesOf({ limits = [] }: PolicyDefinition): readonly string[] {
  return limits.map(({ name }) => name)
}

/** The same text for the same value, in whatever order its members are. */
function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
