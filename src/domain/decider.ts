/**
 * A config key as an actor: `decide` turns a command into an event (or says why not), `evolve` applies the event, and
 * `initialState` is what every key starts from. Nothing else changes a policy.
 * @see https://thinkbeforecoding.com/post/2021/12/17/functional-event-sourcing-decider
 */
import type { Command, Conditions } from './commands.ts'
import { EVENT_SCHEMA, type PolicyEvent } from './events.ts'
import { type PolicyDefinition, samePolicy } from './policy.ts'

export interface PolicyState {
  /** 0 before the key's first event; deletions count. */
  readonly version: number
  readonly policy: PolicyDefinition | null
}

export const initialState: PolicyState = { version: 0, policy: null }

export type RejectionCode = 'policy-not-found' | 'version-conflict'

export interface Rejection {
  readonly code: RejectionCode
  readonly detail: string
}

export type CommandDecision =
  | { readonly kind: 'changed'; readonly event: PolicyEvent }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

/** @param at when it is decided, ISO 8601 */
export function decide(state: PolicyState, command: Command, at: string): CommandDecision {
  const conflict = command.conditions && conflictWith(state, command.conditions)
  if (conflict !== undefined) return rejected('version-conflict', conflict)
  switch (command.type) {
    case 'put':
      if (state.policy === null) return changed(state, command, at, 'created', command.policy)
      if (samePolicy(state.policy, command.policy)) return { kind: 'unchanged' }
      return changed(state, command, at, 'changed', command.policy)
    case 'delete':
      if (state.policy === null) return rejected('policy-not-found', `the key "${command.key}" has no policy to delete`)
      return changed(state, command, at, 'deleted', null)
  }
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
  type: PolicyEvent['type'],
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
    policy,
  }
  return { kind: 'changed', event }
}

function rejected(code: RejectionCode, detail: string): CommandDecision {
  return { kind: 'rejected', rejection: { code, detail } }
}
