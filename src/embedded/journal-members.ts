/** The rules for the members of the journal's lines. */

import type { Idempotency } from '../domain/commands.ts'
import { EVENT_TYPES, type EventType, type PolicyEvent } from '../domain/events.ts'
import { configKeyFault } from '../domain/key.ts'
import { limitMembers } from '../domain/limits/limit.ts'
import { faultWithin, type MemberFault } from '../domain/member-fault.ts'
import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { PolicyDefinition } from '../domain/policy.ts'
import { policyDefinitionFault, storedPolicyFault } from '../domain/stored-policy.ts'
import { isTemporary, type StoredPolicy, type TemporaryPolicy } from '../domain/temporary-policy.ts'
import { isObject, type Members } from '../lib/is-object.ts'

/** Format 1 is the same without compaction. */
const FORMATS = [1, 2]
export const FORMAT = 2

interface Rule {
  isAllowed(value: unknown): boolean
  /** Completes "must be …". */
  readonly allowed: string
}

type Rules<Member extends string> = { readonly [member in Member]: Rule }

const string: Rule = { isAllowed: value => typeof value === 'string', allowed: 'a string' }
const filledString: Rule = {
  isAllowed: value => typeof value === 'string' && value !== '',
  allowed: 'a string that is not empty',
}
const object: Rule = { isAllowed: isObject, allowed: 'an object' }
const position = integerFrom(1)

const HEADER: Rules<'journal' | 'identities' | 'compactedTo'> = {
  journal: { isAllowed: value => FORMATS.includes(value as number), allowed: FORMATS.join(' or ') },
  identities: onePerPartition('strings'),
  compactedTo: onePerPartition('integers'),
}
const IDENTITY = filledString
const COMPACTED_TO = integerFrom(0)

const COMPACTED: Rules<'position' | 'event'> = { position, event: object }

const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

/** Members with members of their own have functions of their own. */
const EVENT: Rules<Exclude<keyof PolicyEvent, 'schema' | 'key' | 'idempotency' | 'policy' | 'lasting'>> = {
  version: position,
  type: {
    isAllowed: value => EVENT_TYPES.includes(value as EventType),
    allowed: `one of ${EVENT_TYPES.join(', ')}`,
  },
  at: {
    isAllowed: value => typeof value === 'string' && UTC_TIME.test(value) && !Number.isNaN(Date.parse(value)),
    allowed: 'a UTC time such as "2026-01-31T12:00:00.000Z"',
  },
  actor: string,
  reason: optional(string),
  commandId: filledString,
  requestId: optional(string),
}
const SCHEMA = integerFrom(1)

const IDEMPOTENCY: Rules<keyof Idempotency> = { key: filledString, fingerprint: filledString }

const DEFINITION_MEMBERS: { readonly [member in keyof Required<PolicyDefinition>]: true } = {
  limits: true,
  mode: true,
  onStoreFailure: true,
  overdraft: true,
  description: true,
}
const POLICY_MEMBERS: { readonly [member in keyof Required<TemporaryPolicy>]: true } = {
  ...DEFINITION_MEMBERS,
  expiresAt: true,
  then: true,
}
/** The first fault of a header, or `undefined`. */
export function headerFault(header: Members): MemberFault | undefined {
  const { journal, identities, compactedTo } = header
  return (
    ruleFault('journal', journal, HEADER.journal) ??
    unknownMember(header, HEADER) ??
    elementsFault('identities', identities, IDENTITY) ??
    (journal === 1 && compactedTo === undefined ? undefined : compactedToFault(compactedTo))
  )
}

/** The first fault of the positions up to which the logs are compacted, or `undefined`. */
export function compactedToFault(compactedTo: unknown): MemberFault | undefined {
  return elementsFault('compactedTo', compactedTo, COMPACTED_TO)
}

function elementsFault(member: 'identities' | 'compactedTo', elements: unknown, rule: Rule): MemberFault | undefined {
  const fault = ruleFault(member, elements, HEADER[member])
  if (fault !== undefined) return fault
  const index = (elements as unknown[]).findIndex(element => !rule.isAllowed(element))
  return index === -1 ? undefined : ruleFault(`${member}[${index}]`, (elements as unknown[])[index], rule)
}

/** The first fault of a line with a compacted event, or `undefined`; the event itself is validated separately. */
export function compactedFault(entry: Members): MemberFault | undefined {
  return rulesFault(entry, COMPACTED) ?? unknownMember(entry, COMPACTED)
}

/** Whether a value can be the number of a schema. */
export function schemaFault({ schema }: Members): MemberFault | undefined {
  return ruleFault('schema', schema, SCHEMA)
}

/**
 * The first fault of an event of this release's schema, or `undefined`. Unknown members of the event are tolerated: a later release
 * with the same schema may add them. Unknown members of a policy are not, since checks would ignore them.
 */
export function eventFault(event: PolicyEvent): MemberFault | undefined {
  const { key, idempotency, policy, lasting } = event
  return (
    keyFault(key) ??
    rulesFault(event as unknown as Members, EVENT) ??
    (idempotency === undefined ? undefined : faultWithin('idempotency', idempotencyFault(idempotency))) ??
    (policy === null ? undefined : faultWithin('policy', policyFault(policy))) ??
    (lasting == null ? undefined : faultWithin('lasting', definitionFault(lasting)))
  )
}

function keyFault(key: unknown): MemberFault | undefined {
  const fault = ruleFault('key', key, string)
  if (fault !== undefined) return fault
  const detail = configKeyFault(key as string)?.detail
  return detail === undefined ? undefined : { member: 'key', found: key, allowed: `a valid config key: ${detail}` }
}

function idempotencyFault(value: unknown): MemberFault | undefined {
  return (
    ruleFault('', value, object) ??
    rulesFault(value as Members, IDEMPOTENCY) ??
    unknownMember(value as Members, IDEMPOTENCY)
  )
}

function policyFault(value: unknown): MemberFault | undefined {
  const fault = storedPolicyFault(value)
  if (fault !== undefined) return fault
  if (!isTemporary(value as StoredPolicy)) return unknownPolicyMember(value as PolicyDefinition, DEFINITION_MEMBERS)
  const policy = value as TemporaryPolicy
  return (
    unknownPolicyMember(policy, POLICY_MEMBERS) ??
    (policy.then === null ? undefined : faultWithin('then', unknownPolicyMember(policy.then, DEFINITION_MEMBERS)))
  )
}

function definitionFault(value: unknown): MemberFault | undefined {
  return policyDefinitionFault(value) ?? unknownPolicyMember(value as PolicyDefinition, DEFINITION_MEMBERS)
}

function unknownPolicyMember(policy: PolicyDefinition, known: object): MemberFault | undefined {
  return unknownMember(policy as unknown as Members, known) ?? unknownLimitMember(policy)
}

function unknownLimitMember({ limits }: PolicyDefinition): MemberFault | undefined {
  for (const [index, limit] of limits.entries()) {
    const fault = unknownMember(limit as unknown as Members, limitMembers(limit))
    if (fault !== undefined) return faultWithin(`limits[${index}]`, fault)
  }
  return undefined
}

function rulesFault(members: Members, rules: Rules<string>): MemberFault | undefined {
  for (const member in rules) {
    const fault = ruleFault(member, members[member], rules[member] as Rule)
    if (fault !== undefined) return fault
  }
  return undefined
}

function ruleFault(member: string, found: unknown, { isAllowed, allowed }: Rule): MemberFault | undefined {
  return isAllowed(found) ? undefined : { member, found, allowed }
}

function unknownMember(members: Members, known: object): MemberFault | undefined {
  for (const member in members) {
    if (Object.hasOwn(known, member)) continue
    return { member, found: members[member], allowed: `absent: only ${Object.keys(known).join(', ')} are allowed` }
  }
  return undefined
}

function integerFrom(min: number): Rule {
  return {
    isAllowed: value => Number.isSafeInteger(value) && (value as number) >= min,
    allowed: `an integer between ${min} and ${Number.MAX_SAFE_INTEGER}`,
  }
}

function onePerPartition(elements: string): Rule {
  return {
    isAllowed: value => Array.isArray(value) && value.length === CONFIG_PARTITIONS,
    allowed: `an array of ${CONFIG_PARTITIONS} ${elements}`,
  }
}

function optional({ isAllowed, allowed }: Rule): Rule {
  return { isAllowed: value => value === undefined || isAllowed(value), allowed }
}
