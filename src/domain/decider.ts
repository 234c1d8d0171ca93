/**
 * The decider of a config key: `decide` turns a command into an event or a rejection, `evolve` applies the event, and every key
 * starts from `initialState`. Nothing else changes a policy.
 * @see https://thinkbeforecoding.com/post/2021/12/17/functional-event-sourcing-decider
 */
import type { Command, ExpirePolicy, ImportPolicy, PrunePolicy, PutPolicy, RollBackPolicy } from './commands.ts'
import { conflictWith } from './conflict.ts'
import { type EventType, type PolicyEvent, schemaOf } from './events.ts'
import { passedFault } from './expiry.ts'
import type { PolicyDefinition, PolicyFault } from './policy.ts'
import {
  hasEnded,
  isTemporary,
  policyAt,
  type RequestedPolicy,
  resolveThen,
  type StoredPolicy,
  sameStoredPolicy,
  type TemporaryPolicy,
} from './temporary-policy.ts'

export interface PolicyState {
  /** 0 before the key's first event. Deletions count. */
  readonly version: number
  /** As it is stored: a temporary policy may have ended. */
  readonly policy: StoredPolicy | null
  /** As in the event. */
  readonly lasting?: PolicyDefinition | null
  /** The version only records that the one before it has ended. */
  readonly isRecordedEnd?: true
  /** The stored policy is damaged, so the state was read from the log. The next change repairs it. */
  readonly isDamaged?: boolean
}

export const initialState: PolicyState = { version: 0, policy: null }

/** What the key has at one moment. */
interface PresentState extends PolicyState {
  /** The temporary policy of this version has ended, and `policy` is what follows it. */
  readonly isEnded: boolean
}

/** The state at a moment, as if the end of a temporary policy were recorded when it comes; only the version is still the old one. */
export function stateAt(state: PolicyState, nowMs: number): PresentState {
  if (!hasEnded(state.policy, nowMs)) return { ...state, isEnded: false }
  const { lasting: _, ...rest } = state
  return { ...rest, policy: policyAt(state.policy, nowMs), isEnded: true }
}

export type RejectionCode =
  | 'validation-failed'
  | 'policy-not-found'
  | 'version-conflict'
  | 'version-not-found'
  | 'version-is-deletion'
  | 'superseded'
  | 'idempotency-key-reused'

export interface Rejection {
  readonly code: RejectionCode
  readonly detail: string
  /** The invalid members of the request, for `validation-failed`. */
  readonly errors?: readonly PolicyFault[]
}

export type CommandDecision =
  | { readonly kind: 'changed'; readonly event: PolicyEvent }
  | {
      readonly kind: 'unchanged'
      /** The import does not concern the key: its line counts as if it were not in the file, or there is nothing to prune. */
      readonly isIgnored?: true
    }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

const IGNORED: CommandDecision = { kind: 'unchanged', isIgnored: true }

/**
 * @param at time of the decision, ISO 8601
 * @param target the policy at the version of a rollback: `null` for a deletion, `undefined` if the version does not exist
 */
export function decide(
  state: PolicyState,
  command: Command,
  at: string,
  target?: StoredPolicy | null,
): CommandDecision {
  if (command.type === 'expire') return expire(state, command, at)
  const present = stateAt(state, Date.parse(at))
  const conflict = command.conditions && conflictWith(present, command.conditions)
  if (conflict !== undefined) return rejected('version-conflict', conflict)
  switch (command.type) {
    case 'put':
      return put(present, command, at)
    case 'import':
      return importLine(present, command, at)
    case 'prune':
      return prune(present, command, at)
    case 'rollback':
      return rollBack(present, command, at, target)
    case 'delete':
      if (present.policy === null)
        return rejected('policy-not-found', `the key "${command.key}" has no policy to delete`)
      return changed(present, command, at, { type: 'deleted', policy: null })
  }
}

function put(present: PresentState, command: PutPolicy, at: string): CommandDecision {
  const passed = passedBy(command.policy, at)
  if (passed !== undefined) return invalid('/expiresAt', passed)
  const policy = resolveThen(command.policy, lastingOf(present))
  return replace(present, command, at, { type: present.policy === null ? 'created' : 'changed', policy })
}

/**
 * A line whose policy has ended counts as what follows it. While a temporary policy is in force, a line without an end changes only
 * what follows that policy.
 */
function importLine(present: PresentState, command: ImportPolicy, at: string): CommandDecision {
  const imported = policyAt(resolveThen(command.policy, lastingOf(present)), Date.parse(at))
  if (imported === null) return IGNORED
  if (isTemporary(imported) || !isTemporary(present.policy)) {
    return replace(present, command, at, { type: 'imported', policy: imported })
  }
  return replace(present, command, at, followedBy(present.policy, imported))
}

/** A temporary policy in force stays until its end, and then nothing follows it. */
function prune(present: PresentState, command: PrunePolicy, at: string): CommandDecision {
  if (present.policy === null) return IGNORED
  if (!isTemporary(present.policy)) return changed(present, command, at, { type: 'deleted', policy: null })
  const decision = replace(present, command, at, followedBy(present.policy, null))
  return decision.kind === 'unchanged' ? IGNORED : decision
}

/** The import of what follows a temporary policy. From then on, it is the last policy that the key had without an end. */
function followedBy(policy: TemporaryPolicy, then: PolicyDefinition | null): Change {
  return { type: 'imported', policy: { ...policy, then }, lasting: then }
}

function rollBack(
  present: PresentState,
  command: RollBackPolicy,
  at: string,
  target: StoredPolicy | null | undefined,
): CommandDecision {
  const { key, version } = command
  if (target === undefined) return rejected('version-not-found', `the key "${key}" has no version ${version}`)
  if (target === null) return rejected('version-is-deletion', `version ${version} of "${key}" is its deletion`)
  const passed = passedBy(target, at)
  if (passed !== undefined) return invalid('/version', `${version} of "${key}" has ended: expiresAt ${passed}`)
  return replace(present, command, at, { type: 'rolled-back', policy: target })
}

/** The clock of the worker that found the end may be ahead of this one's, so only the version counts. */
function expire({ version, policy }: PolicyState, command: ExpirePolicy, at: string): CommandDecision {
  if (version !== command.version || !isTemporary(policy)) {
    const detail = `version ${command.version} of "${command.key}" is not the present one, or has no end`
    return rejected('version-conflict', detail)
  }
  return changed({ version, policy }, command, at, { type: 'expired', policy: policy.then })
}

function passedBy(policy: RequestedPolicy, at: string): string | undefined {
  return policy.expiresAt === undefined ? undefined : passedFault(policy.expiresAt, Date.parse(at))
}

/** The last policy that the key had without an end; `null` after a deletion. */
function lastingOf({ policy, lasting }: PolicyState): PolicyDefinition | null {
  if (!isTemporary(policy)) return policy
  return lasting === undefined ? policy.then : lasting
}

/** What an event says of its key. */
interface Change {
  readonly type: EventType
  readonly policy: StoredPolicy | null
  /** As in the event. If absent, that of the state. */
  readonly lasting?: PolicyDefinition | null
}

function replace(present: PresentState, command: Command, at: string, change: Change): CommandDecision {
  const isSame = present.policy !== null && sameStoredPolicy(present.policy, change.policy)
  return isSame && !present.isDamaged ? { kind: 'unchanged' } : changed(present, command, at, change)
}

export function evolve(_state: PolicyState, { version, type, policy, lasting }: PolicyEvent): PolicyState {
  return {
    version,
    policy,
    ...(lasting !== undefined && { lasting }),
    ...(type === 'expired' && policy !== null && { isRecordedEnd: true }),
  }
}

function changed(state: PolicyState, command: Command, at: string, change: Change): CommandDecision {
  const { type, policy, lasting = lastingOf(state) } = change
  const event: PolicyEvent = {
    schema: schemaOf({ type, policy }),
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
    ...lastingMember(policy, lasting),
  }
  return { kind: 'changed', event }
}

function lastingMember(policy: StoredPolicy | null, lasting: PolicyDefinition | null) {
  return isTemporary(policy) && !sameStoredPolicy(policy.then, lasting) ? { lasting } : {}
}

function invalid(path: string, message: string): CommandDecision {
  const rejection = { code: 'validation-failed', detail: `${path}: ${message}`, errors: [{ path, message }] } as const
  return { kind: 'rejected', rejection }
}

function rejected(code: RejectionCode, detail: string): CommandDecision {
  return { kind: 'rejected', rejection: { code, detail } }
}
