import { type Static, Type } from '@sinclair/typebox'
import { MAX_CHECKS_TOGETHER } from '../../domain/group-decision.ts'
import { ON_EXPIRY, type OnExpiry } from '../../domain/holds.ts'
import { MAX_COUNT } from '../../domain/limits/limit-fault.ts'
import type { Reservation } from '../../domain/reservation.ts'
import { ProblemResponse } from '../../http/problem.schema.ts'
import { CheckRequest, DecisionResponse, PolicyName, Tokens } from './check.schema.ts'
import { GroupChecks, RESULTS } from './group.schema.ts'

const TTL_BOUNDS = { minimum: 1_000, maximum: 86_400_000 }
const DEFAULT_TTL_MS = 60_000

export const ReservationRequest = Type.Object(
  {
    key: Type.Optional(
      Type.String({ description: 'The key to hold tokens of; or give `checks`.', examples: ['user:42'] }),
    ),
    tokens: Tokens('Tokens to hold; with `checks`, of each check that names none.'),
    policy: PolicyName,
    checks: Type.Optional(GroupChecks),
    ttlMs: Type.Integer({
      ...TTL_BOUNDS,
      default: DEFAULT_TTL_MS,
      description: 'Time until the reservation expires, unless it is settled before, in ms.',
    }),
    onExpiry: Type.Unsafe<OnExpiry>({
      type: 'string',
      enum: [...ON_EXPIRY],
      default: 'charge',
      description: 'What happens at the expiry: the tokens are charged in full (`charge`), or given back (`release`).',
    }),
  },
  {
    title: 'ReservationRequest',
    description: 'What to hold until the cost is known: tokens of a `key`, or of the keys of several `checks`.',
    additionalProperties: false,
    examples: [{ key: 'user:42', tokens: 40, ttlMs: 30_000 }],
  },
)
export type ReservationRequest = Static<typeof ReservationRequest>

const Amount = Type.Integer({ minimum: 0, maximum: MAX_COUNT, description: 'Tokens that the work cost.' })

export const SettleRequest = Type.Object(
  {
    tokens: Type.Optional({ ...Amount, description: 'Tokens that the work cost, for every key of the reservation.' }),
    checks: Type.Optional(
      Type.Array(
        Type.Object(
          { key: CheckRequest.properties.key, tokens: Amount },
          { title: 'SettledAmount', description: 'What the work cost of one key.', additionalProperties: false },
        ),
        {
          minItems: 1,
          maxItems: MAX_CHECKS_TOGETHER,
          description: 'What the work cost of each key; names every key of the reservation.',
        },
      ),
    ),
  },
  {
    title: 'SettleRequest',
    description: 'What the work cost. Without `tokens` and `checks`, as much as was reserved.',
    additionalProperties: false,
    examples: [{ tokens: 320 }],
  },
)
export type SettleRequest = Static<typeof SettleRequest>

export const ExtendRequest = Type.Object(
  {
    ttlMs: Type.Optional(
      Type.Integer({
        ...TTL_BOUNDS,
        description: 'Time from now until the expiry, in ms. If omitted, as at the start.',
      }),
    ),
  },
  {
    title: 'ExtendRequest',
    description: 'How much longer the work may take.',
    additionalProperties: false,
    examples: [{ ttlMs: 30_000 }],
  },
)
export type ExtendRequest = Static<typeof ExtendRequest>

export const ReservationParams = Type.Object({
  id: Type.String({ description: 'The id of the reservation.' }),
})

const id = Type.String({ description: 'The id of the reservation.' })
const expiresAt = Type.String({ description: 'When it expires (RFC 3339), by the clock of the bucket store.' })
const count = (description: string) => Type.Integer({ minimum: 0, description })

export const CreatedResponse = Type.Object(
  {
    id: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: '`null` if nothing is held: the policy counts nothing, or the bucket store is unavailable.',
    }),
    expiresAt: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description:
        'When the reservation expires (RFC 3339), by the clock of the bucket store. `null` if nothing is held.',
    }),
    ...DecisionResponse.properties,
    results: Type.Optional(RESULTS),
  },
  { title: 'CreatedReservation', description: 'A reservation, and the decision by which it was allowed.' },
)

export const ReservationDenialResponse = Type.Intersect(
  [ProblemResponse, Type.Object({ ...DecisionResponse.properties, results: Type.Optional(RESULTS) })],
  {
    title: 'ReservationDenial',
    description: 'The problem of a reservation that is denied, with every member of its decision.',
  },
)

const SettledCheck = Type.Object(
  {
    key: Type.String({ description: 'The key.' }),
    tokens: count('Tokens that were settled.'),
    charged: count('Tokens that were charged in all, by the expiry too: the smallest number over the limits.'),
  },
  { title: 'SettledCheck', description: 'What was charged to one key.' },
)

export const SettledResponse = Type.Object(
  {
    id,
    status: Type.Literal('settled', { description: 'The reservation has ended.' }),
    checks: Type.Array(SettledCheck, { description: 'What was charged, by key.' }),
    ...DecisionResponse.properties,
    results: Type.Optional(RESULTS),
  },
  {
    title: 'SettledReservation',
    description: 'What was charged, and the decision of a check of 0 tokens afterwards.',
  },
)

export const ExtendedResponse = Type.Object(
  { id, expiresAt },
  { title: 'ExtendedReservation', description: 'The new expiry of a reservation.' },
)

const ReservedCheck = Type.Object(
  {
    key: Type.String({ description: 'The key.' }),
    tokens: count('Tokens that were reserved.'),
    charged: Type.Optional(count('Tokens that were charged in all, once the reservation has ended.')),
  },
  { title: 'ReservedCheck', description: 'What is reserved of one key.' },
)

export const ReservationResponse = Type.Object(
  {
    id,
    status: Type.Unsafe<Reservation['status']>({
      type: 'string',
      enum: ['held', 'settled', 'released', 'expired'],
      description: 'Whether the tokens are still held, or how the reservation ended.',
    }),
    checks: Type.Array(ReservedCheck, { description: 'What is reserved, by key.' }),
    expiresAt,
  },
  { title: 'Reservation', description: 'The state of a reservation.' },
)
