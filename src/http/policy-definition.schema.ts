import { Type } from '@sinclair/typebox'
import { PERIODS, type PeriodName } from '../domain/limits/quota.ts'
import { MODES, type Mode, type OnStoreFailure, STORE_FAILURE_MODES } from '../domain/policy.ts'

const MODE = Type.Unsafe<Mode>({
  type: 'string',
  enum: [...MODES],
  description:
    '`enforce` denies what the limits deny. `shadow` allows everything, and reports what it would have denied. ' +
    '`off` allows everything and counts nothing. `block` denies everything.',
})

const ON_STORE_FAILURE = Type.Unsafe<OnStoreFailure>({
  type: 'string',
  enum: [...STORE_FAILURE_MODES],
  description:
    'What a check gets while the bucket store is unavailable: a decision of the process (`local`), 200 (`allow`) or ' +
    '503 (`deny`). If absent, the setting `ON_STORE_FAILURE` applies.',
})

const name = Type.String({ description: 'Name of the limit, unique in its policy.' })

const shadow = Type.Optional(
  Type.Literal(true, { description: 'It is a shadow limit: it is counted, and denies nobody. Absent otherwise.' }),
)

const TokenBucketResponse = Type.Object(
  {
    name,
    capacity: Type.Integer({ description: 'Tokens that fit into the bucket.' }),
    refillTokens: Type.Integer({
      description: 'Tokens that return to the bucket in each interval, continuously and not all at once.',
    }),
    refillIntervalMs: Type.Integer({ description: 'Length of the interval, in ms.' }),
    shadow,
  },
  { title: 'TokenBucket', description: 'A token bucket. It has no `kind`.' },
)

const QuotaResponse = Type.Object(
  {
    name,
    kind: Type.Literal('quota', { description: 'The kind of the limit.' }),
    capacity: Type.Integer({ description: 'Tokens in each period.' }),
    period: Type.Unsafe<PeriodName>({
      type: 'string',
      enum: [...PERIODS],
      description: 'Minutes and hours are those of UTC; longer periods are calendar steps in local time.',
    }),
    timeZone: Type.Optional(
      Type.String({ description: 'IANA name of the time zone. Absent for minutes and hours.', examples: ['UTC'] }),
    ),
    anchor: Type.Optional(
      Type.String({
        description:
          'Local date and time at which one period begins. If absent, periods begin at midnight, weeks on Monday, months and years ' +
          'on the 1st.',
        examples: ['2026-01-15T09:00'],
      }),
    ),
    shadow,
  },
  { title: 'Quota', description: 'At most `capacity` tokens in each calendar period.' },
)

const ConcurrencyResponse = Type.Object(
  {
    name,
    kind: Type.Literal('concurrency', { description: 'The kind of the limit.' }),
    capacity: Type.Integer({ description: 'Reservations at once.' }),
    shadow,
  },
  {
    title: 'Concurrency',
    description: 'At most `capacity` reservations of a key at once, however many tokens they hold.',
  },
)

const LimitResponse = Type.Union([TokenBucketResponse, QuotaResponse, ConcurrencyResponse], {
  title: 'Limit',
  description: 'A limit, with the members of its kind.',
})

/** How a policy decides, as responses show it. */
export const POLICY_DEFINITION_MEMBERS = {
  limits: Type.Optional(
    Type.Array(LimitResponse, { description: 'Every limit must allow a check. Absent if the policy has no limits.' }),
  ),
  mode: MODE,
  onStoreFailure: Type.Optional(ON_STORE_FAILURE),
  overdraft: Type.Optional(
    Type.Literal(true, {
      description: 'A check for more than is left is denied and still charged, into debt. Absent otherwise.',
    }),
  ),
}
