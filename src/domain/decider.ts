/**
 * The decider of a config key: `decide` turns a command into an event or a rejection, `evolve` applies the event, and every key
 * starts from `initialState`. Nothing else changes a policy.
 * @see https://thinkbeforecoding.com/post/2021/12/17/functional-event-sourcing-decider
 */
import type { Command, Conditions, RollBackPolicy } from './commands.ts'
import { EVENT_SCHEMA, type EventType, type PolicyEvent } from './events.ts'
import { type PolicyDefinition, samePolicy } from './policy.ts'

export interface PolicyState {
  /** 0 before the key's first event. Deletions count. */
  readonly version: number
  readonly policy: PolicyDefinition | null
  /** The stored policy is damaged, so the state was read from the log. The next change repairs it. */
  readonly isDamaged?: boolean
}

export const initialState: PolicyState = { version: 0, policy: null }

export type RejectionCode =
  | 'policy-not-found'
  | 'version-conflict'
  | 'version-not-found'
  | 'version-is-deletion'
  | 'superseded'
  | 'idempotency-key-reused'

export interface Rejection {
  readonly code: RejectionCode
  readonly detail: string
}

export type CommandDecision =
  | { readonly kind: 'changed'; readonly event: PolicyEvent }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

/**
 * @param at time of the decision, ISO 8601
 * @param target the policy at the version of a rollback: `null` for a deletion, `undefined` if the version does not exist
 */
export function decide(
  state: PolicyState,
  command: Command,
  at: string,
  target?: PolicyDefinition | null,
): CommandDecision {
  const conflict = command.conditions && conflictWith(state, command.conditions)
  if (conflict !== undefined) return rejected('version-conflict', conflict)
  switch (command.type) {
    case 'put':
      return replace(state, command, at, state.policy === null ? 'created' : 'changed', command.policy)
    case 'import':
      return replace(state, command, at, 'imported', command.policy)
    case 'rollback':
      return rollBack(state, command, at, target)
    case 'delete':
      if (state.policy === null) return rejected('policy-not-found', `the key "${command.key}" has no policy to delete`)
      return changed(state, command, at, 'deleted', null)
  }
}

function rollBack(
  state: PolicyState,
  command: RollBackPolicy,
  at: string,
  target: PolicyDefinition | null | undefined,
): CommandDecision {
  const { key, version } = command
  if (target === undefined) return rejected('version-not-found', `the key "${key}" has no version ${version}`)
  if (target === null) return rejected('version-is-deletion', `version ${version} of "${key}" is its deletion`)
  return replace(state, command, at, 'rolled-back', target)
}

function replace(
  state: PolicyState,
  command: Command,
  at: string,
  type: EventType,
  policy: PolicyDefinition,
): CommandDecision {
  if (state.policy !== null && !state.isDamaged && samePolicy(state.policy, policy)) return { kind: 'unchanged' }
  return changed(state, command, at, type, policy)
}

export function evolve(_state: PolicyState, event: PolicyEvent): PolicyState {
  return { version: event.version, policy: event.policy }
}

function conflictWith(state: PolicyState, { ifMatch, ifNoneMatch }: Conditions): string | undefined {
  const found = state.policy === null ? 'the key has no policy' : `the policy is at version ${state.version}`
  if (ifNoneMatch !== undefined && state.policy !== null) return `${found}; If-None-Match: * asks for none`
  if (ifMatch === undefined) return undefined
  if (state.policy === null) return `${found}; If-Match asks for one`
  if (ifMatch === '*' || ifMatch.includes(state.version)) return undefined
  return `${found}; If-Match asks for ${ifMatch.map(version => `"${version}"`).join(', ')}`
}

function changed(
  state: PolicyState,
  command: Command,
  at: string,
  type: EventType,
  policy: PolicyDefinition | null,
): CommandDecision {
  const event: PolicyEvent = {
    schema: EVENT_SCHEMA,
    key: command.key,
    version: state.version + 1,
    type,
    at,
    actor: command.actor,
    ...(command.reason !== undefined && { reason: command.reason }),
    commandId: command.id,
    ...(command.idempotency !== undefined && { idempotency: command.idempotency }),
    ...(command.requestId !== undefined && { requestId: command.requestId }),
    policy,
  }
  return { kind: 'changed', event }
}

function rejected(code: RejectionCode, detail: string): CommandDecision {
  return { kind: 'rejected', rejection: { code, detail } }
}
