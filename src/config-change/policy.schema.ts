import { type Static, Type } from '@sinclair/typebox'
import { MAX_DAYS_TO_EXPIRY, normalizedTime } from '../domain/expiry.ts'
import type { Limit } from '../domain/limits/limit.ts'
import {
  MAX_LIMITS,
  MODES,
  type Mode,
  NO_LIMITS,
  needsLimits,
  type OnStoreFailure,
  type PolicyDefinition,
  policyFaults,
  STORE_FAILURE_MODES,
} from '../domain/policy.ts'
import type { RequestedPolicy } from '../domain/temporary-policy.ts'
import { cut } from '../lib/cut.ts'
import { type FieldError, Problem, validationProblem } from '../lib/errors.ts'
import {
  foreignMembers,
  LimitRequest,
  requiredMember,
  SHORT_FORM,
  SHORT_FORM_MEMBERS,
  toLimit,
} from './limit.schema.ts'

/** A longer time is not repeated in full. */
const MAX_SHOWN_CHARACTERS = 100
/** The name of the only limit of a policy in the short form. */
const DEFAULT_LIMIT = 'default'

const expiresAt = Type.String({
  description:
    `When the policy ends (RFC 3339 with an offset), at most ${MAX_DAYS_TO_EXPIRY} days away. Every process switches to \`then\` at ` +
    'that moment by its own clock.',
  examples: ['2026-12-01T18:00:00Z'],
})

const definition = {
  limits: Type.Optional(
    Type.Array(LimitRequest, {
      minItems: 1,
      maxItems: MAX_LIMITS,
      description: 'Every limit must allow a check. Not needed for the modes `off` and `block`.',
    }),
  ),
  ...SHORT_FORM,
  mode: Type.Optional(
    Type.Unsafe<Mode>({
      type: 'string',
      enum: [...MODES],
      description: 'How checks are decided. If omitted, `enforce`.',
    }),
  ),
  onStoreFailure: Type.Optional(
    Type.Unsafe<OnStoreFailure>({
      type: 'string',
      enum: [...STORE_FAILURE_MODES],
      description:
        'What a check gets while the bucket store is unavailable. If omitted, the setting `ON_STORE_FAILURE` applies.',
    }),
  ),
  overdraft: Type.Optional(
    Type.Boolean({
      description:
        'Whether a check for more than is left is denied and still charged, into debt of at most one capacity of each limit. For costs ' +
        'that a check reports afterwards. If omitted, `false`.',
    }),
  ),
  description: Type.Optional(Type.String({ maxLength: 500, description: 'What the policy is for.' })),
}

const FollowingPolicyRequest = Type.Object(definition, { additionalProperties: false })
type FollowingPolicyRequest = Static<typeof FollowingPolicyRequest>

/** A policy in its long form (`limits`) or its short form: the members of its only limit. */
export const PolicyRequest = Type.Object(
  {
    ...definition,
    expiresAt: Type.Optional(expiresAt),
    // One type for both, since the errors of a union name neither.
    then: Type.Optional(
      Type.Unsafe<FollowingPolicyRequest | null>({
        ...FollowingPolicyRequest,
        type: ['object', 'null'],
        description:
          'The policy after `expiresAt`; `null` for none. If omitted, what the key last had without `expiresAt`. Not allowed ' +
          'without `expiresAt`.',
      }),
    ),
  },
  {
    title: 'PolicyRequest',
    description:
      'A policy with `limits`; or, in its short form, with the members of one limit, such as `capacity`, `refillTokens` and ' +
      `\`refillIntervalMs\`. That limit is named \`${DEFAULT_LIMIT}\`.`,
    additionalProperties: false,
    examples: [{ capacity: 100, refillTokens: 10, refillIntervalMs: 1000 }],
  },
)
export type PolicyRequest = Static<typeof PolicyRequest>

/** @throws {Problem} `validation-failed` for the rules that the schema cannot express */
export function toRequestedPolicy({ expiresAt, then, ...request }: PolicyRequest): RequestedPolicy {
  const definition = toPolicyDefinition(request)
  if (expiresAt === undefined && then === undefined) return definition
  return {
    ...definition,
    expiresAt: requestedExpiry(expiresAt),
    ...(then !== undefined && { then: then && followingPolicy(then) }),
  }
}

/** @throws {Problem} `validation-failed` if the policy is temporary and its end has this fault */
export function refuseExpiry(
  { expiresAt }: Pick<RequestedPolicy, 'expiresAt'>,
  faultOf: (expiresAt: string) => string | undefined,
): void {
  const message = expiresAt === undefined ? undefined : faultOf(expiresAt)
  if (message !== undefined) throw validationProblem([{ path: '/expiresAt', message }])
}

/** @throws {Problem} `validation-failed` */
function requestedExpiry(expiresAt: string | undefined): string {
  if (expiresAt === undefined) {
    throw validationProblem([{ path: '/then', message: 'is allowed only together with expiresAt' }])
  }
  const time = normalizedTime(expiresAt)
  if (time !== undefined) return time
  const message = `must be an RFC 3339 time with an offset, such as 2026-12-01T18:00:00Z; was ${JSON.stringify(cut(expiresAt, MAX_SHOWN_CHARACTERS))}`
  throw validationProblem([{ path: '/expiresAt', message }])
}

/** @throws {Problem} `validation-failed`, with paths within `/then` */
function followingPolicy(then: FollowingPolicyRequest): PolicyDefinition {
  try {
    return toPolicyDefinition(then)
  } catch (err) {
    const errors = err instanceof Problem ? (err.members['errors'] as readonly FieldError[]) : undefined
    throw errors === undefined
      ? err
      : validationProblem(errors.map(error => ({ ...error, path: `/then${error.path}` })))
  }
}

function toPolicyDefinition(request: FollowingPolicyRequest): PolicyDefinition {
  const { mode = 'enforce', onStoreFailure, overdraft, description } = request
  const definition: PolicyDefinition = {
    limits: needsLimits(mode) || hasLimits(request) ? requestedLimits(request) : NO_LIMITS,
    mode,
    ...(onStoreFailure !== undefined && { onStoreFailure }),
    ...(overdraft === true && { overdraft }),
    ...(description !== undefined && { description }),
  }
  const faults = request.limits ? policyFaults(definition) : policyFaults(definition).map(asOfShortForm)
  if (faults.length > 0) throw validationProblem(faults)
  return definition
}

function hasLimits(request: FollowingPolicyRequest): boolean {
  return request.limits !== undefined || SHORT_FORM_MEMBERS.some(member => request[member] !== undefined)
}

/** @throws {Problem} `validation-failed` */
function requestedLimits(request: FollowingPolicyRequest): readonly Limit[] {
  const faults = request.limits === undefined ? faultsOfShortForm(request) : faultsOfLongForm(request)
  if (faults.length > 0) throw validationProblem(faults)
  return (request.limits ?? [{ ...request, name: DEFAULT_LIMIT } as LimitRequest]).map(toLimit)
}

/** In the short form, the members of the only limit are members of the body. */
function asOfShortForm({ path, message }: FieldError): FieldError {
  return { path: path.replace('/limits/0', ''), message }
}

function faultsOfLongForm(request: FollowingPolicyRequest): FieldError[] {
  const mixed = SHORT_FORM_MEMBERS.filter(member => request[member] !== undefined).map(member => ({
    path: `/${member}`,
    message: 'is not allowed together with limits; give either limits or the short form',
  }))
  const ofLimits = (request.limits ?? []).flatMap((limit, index) =>
    faultsOfLimit(limit).map(({ path, message }) => ({ path: `/limits/${index}${path}`, message })),
  )
  return [...mixed, ...ofLimits]
}

function faultsOfLimit(limit: LimitRequest): FieldError[] {
  const required = requiredMember(limit)
  const isMissing = required !== undefined && limit[required] === undefined
  const missing = isMissing ? [{ path: `/${required}`, message: 'is missing' }] : []
  return [...missing, ...foreignMembers(limit)]
}

function faultsOfShortForm(request: FollowingPolicyRequest): FieldError[] {
  const required = requiredMember(request)
  const members = required === undefined ? (['capacity'] as const) : (['capacity', required] as const)
  const missing = members
    .filter(member => request[member] === undefined)
    .map(member => ({ path: `/${member}`, message: `is missing; give limits, or ${members.join(' and ')}` }))
  return [...missing, ...foreignMembers(request)]
}
