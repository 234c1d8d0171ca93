import { type Static, Type } from '@sinclair/typebox'
import { MAX_CHECKS_TOGETHER } from '../../domain/group-decision.ts'
import { MAX_COUNT } from '../../domain/limits/limit-fault.ts'
import { ProblemResponse } from '../../http/problem.schema.ts'
import { CheckRequest, DecisionResponse, PolicyName, Tokens } from './check.schema.ts'

export const GroupCheck = Type.Object(
  {
    key: CheckRequest.properties.key,
    tokens: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_COUNT,
        description: 'Tokens to spend. If omitted, the outer `tokens`.',
      }),
    ),
    policy: PolicyName,
  },
  {
    title: 'GroupCheck',
    description: 'One of several checks that are decided together.',
    additionalProperties: false,
  },
)

export const GroupChecks = Type.Array(GroupCheck, {
  minItems: 1,
  maxItems: MAX_CHECKS_TOGETHER,
  description: 'Checks of different keys. On Redis Cluster, all keys must have the same text in `{…}`.',
})

export const GroupRequest = Type.Object(
  { checks: GroupChecks, tokens: Tokens('Tokens of each check that names none.') },
  {
    title: 'GroupRequest',
    description: `1 to ${MAX_CHECKS_TOGETHER} checks: all are allowed, or nothing is spent.`,
    additionalProperties: false,
    examples: [{ checks: [{ key: 'user:42' }, { key: 'team:7' }], tokens: 1 }],
  },
)
export type GroupRequest = Static<typeof GroupRequest>

const BlockedDecision = Type.Object(
  {
    ...DecisionResponse.properties,
    code: Type.Literal('blocked', { description: 'The mode of the policy is `block`.' }),
  },
  { title: 'BlockedDecision', description: 'The decision of a policy that blocks the key.' },
)

/** One of several decisions. */
export const ResultResponse = [DecisionResponse, BlockedDecision] as const

export const RESULTS = Type.Array(Type.Union([...ResultResponse]), {
  description:
    'The decision of each check, in order. If the call is denied, what each check alone would have got; if a key is blocked, with ' +
    'values of `null` for the others.',
})

export const GroupResponse = Type.Object(
  { ...DecisionResponse.properties, results: RESULTS },
  {
    title: 'GroupDecision',
    description: 'The answer to checks that are decided together: the members of the binding check, and all results.',
  },
)

export const GroupDenialResponse = Type.Intersect([ProblemResponse, GroupResponse], {
  title: 'GroupDenial',
  description: 'The problem of checks that are denied together, with every member of their decision.',
})
