/** A limit as an operator writes it: with the members of its kind. */
import { type Static, Type } from '@sinclair/typebox'
import { LIMIT_NAME, type Limit } from '../domain/limits/limit.ts'
import { MAX_COUNT } from '../domain/limits/limit-fault.ts'
import { DEFAULT_TIME_ZONE, isFixed, PERIODS, type PeriodName } from '../domain/limits/quota.ts'
import { MAX_INTERVAL_MS } from '../domain/limits/token-bucket.ts'
import type { FieldError } from '../lib/errors.ts'

const DEFAULT_INTERVAL_MS = 1000
/** Longer than any name of a zone or local time, which the rules of the calendar judge. */
const MAX_CALENDAR_CHARACTERS = 100

const KINDS = ['bucket', 'quota', 'concurrency'] as const
type KindName = (typeof KINDS)[number]
const DEFAULT_KIND: KindName = 'bucket'

/** All members of a limit but its name. */
const members = {
  kind: Type.Optional(
    Type.Unsafe<KindName>({
      type: 'string',
      enum: [...KINDS],
      description:
        '`bucket`: a token bucket, with `refillTokens` and `refillIntervalMs`. `quota`: at most `capacity` tokens in each `period`. ' +
        '`concurrency`: at most `capacity` reservations at once. ' +
        `If omitted, \`${DEFAULT_KIND}\`.`,
    }),
  ),
  capacity: Type.Integer({
    minimum: 1,
    maximum: MAX_COUNT,
    description:
      'Tokens that fit into the bucket; of a quota, tokens in each period; of a concurrency limit, reservations at once.',
  }),
  refillTokens: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_COUNT,
      description:
        'Tokens that return to the bucket in each interval, continuously and not all at once. Required for a token bucket.',
    }),
  ),
  refillIntervalMs: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_INTERVAL_MS,
      description: `Length of the interval, in ms. If omitted, ${DEFAULT_INTERVAL_MS}.`,
    }),
  ),
  period: Type.Optional(
    Type.Unsafe<PeriodName>({
      type: 'string',
      enum: [...PERIODS],
      description: 'Period of a quota, for which it is required. Minutes and hours are those of UTC.',
    }),
  ),
  timeZone: Type.Optional(
    Type.String({
      maxLength: MAX_CALENDAR_CHARACTERS,
      description: `IANA name of the time zone of a quota’s periods. If omitted, \`${DEFAULT_TIME_ZONE}\`. Not for minutes and hours.`,
      examples: ['Europe/Berlin'],
    }),
  ),
  anchor: Type.Optional(
    Type.String({
      maxLength: MAX_CALENDAR_CHARACTERS,
      description:
        'Local date and time, to the minute, at which one period of a quota begins. If omitted, periods begin at midnight, weeks on ' +
        'Monday, months and years on the 1st. Not for minutes and hours.',
      examples: ['2026-01-15T09:00'],
    }),
  ),
  shadow: Type.Optional(
    Type.Boolean({
      description:
        'Whether this is a shadow limit: it is counted beside the limits that are enforced, and denies nobody. A policy needs at least ' +
        'one limit that is not. If omitted, `false`.',
    }),
  ),
}

export const LimitRequest = Type.Object(
  {
    name: Type.String({ pattern: LIMIT_NAME.source, description: 'Name of the limit, unique in its policy.' }),
    ...members,
  },
  {
    title: 'LimitRequest',
    description: 'A token bucket, a quota per calendar period, or a limit of concurrent reservations.',
    additionalProperties: false,
  },
)
export type LimitRequest = Static<typeof LimitRequest>

/** The only limit of a policy in the short form, whose members are members of the policy. */
export const SHORT_FORM = { ...members, capacity: Type.Optional(members.capacity) }
export type ShortForm = { readonly [member in keyof typeof SHORT_FORM]?: LimitRequest[member] | undefined }
export const SHORT_FORM_MEMBERS = Object.keys(SHORT_FORM) as readonly (keyof ShortForm)[]

/** Members of limits of any kind. */
const COMMON_MEMBERS = ['kind', 'capacity', 'shadow'] as const
type OwnMember = Exclude<keyof ShortForm, (typeof COMMON_MEMBERS)[number]>

interface RequestedKind {
  /** The member that such a limit needs besides name and capacity, if there is one. */
  readonly required?: OwnMember
  readonly optional: readonly OwnMember[]
  /** @param request with the members of this kind, and no others */
  toLimit(request: LimitRequest): Limit
}

const REQUESTED: { readonly [kind in KindName]: RequestedKind } = {
  bucket: {
    required: 'refillTokens',
    optional: ['refillIntervalMs'],
    toLimit: ({ name, capacity, refillTokens = 0, refillIntervalMs = DEFAULT_INTERVAL_MS }) => ({
      name,
      capacity,
      refillTokens,
      refillIntervalMs,
    }),
  },
  quota: {
    required: 'period',
    optional: ['timeZone', 'anchor'],
    toLimit: ({ name, capacity, period = 'day', timeZone, anchor }) => ({
      name,
      kind: 'quota',
      capacity,
      period,
      ...(!(isFixed(period) && timeZone === undefined) && { timeZone: timeZone ?? DEFAULT_TIME_ZONE }),
      ...(anchor !== undefined && { anchor }),
    }),
  },
  concurrency: {
    optional: [],
    toLimit: ({ name, capacity }) => ({ name, kind: 'concurrency', capacity }),
  },
}

/** @param request without faults */
export function toLimit(request: LimitRequest): Limit {
  const limit = REQUESTED[request.kind ?? DEFAULT_KIND].toLimit(request)
  return request.shadow === true ? { ...limit, shadow: true } : limit
}

/** The member that such a limit needs besides name and capacity, if there is one. */
export function requiredMember({ kind = DEFAULT_KIND }: ShortForm): OwnMember | undefined {
  return REQUESTED[kind].required
}

/** Members of other kinds. */
export function foreignMembers(request: ShortForm): FieldError[] {
  const { kind = DEFAULT_KIND } = request
  const { required, optional } = REQUESTED[kind]
  const own: readonly string[] = required === undefined ? optional : [required, ...optional]
  const allowed: readonly string[] = [...COMMON_MEMBERS, ...own]
  return SHORT_FORM_MEMBERS.filter(member => request[member] !== undefined && !allowed.includes(member)).map(
    member => ({
      path: `/${member}`,
      message: `is not allowed in a limit of the kind ${kind}, which has ${own.join(', ') || 'no members of its own'}`,
    }),
  )
}
