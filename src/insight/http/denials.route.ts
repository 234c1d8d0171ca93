import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { DECISION_SOURCES, type DecisionSource } from '../../domain/decision.ts'
import { ENTRIES_PER_PART, type LongReads } from '../../http/long-reads.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { readDenials } from '../denial-pages.ts'
import type { Denial, DenialStore } from '../ports.ts'
import { DenialsQuery, placeCursor, readDenialsQuery } from './denials.query.ts'
import { ifKeysAreKept } from './if-keys-are-kept.ts'
import { isoTime, timeOf } from './window.schema.ts'

export interface DenialsRouteOptions {
  /** Absent if nothing that names keys is kept. */
  readonly denials: DenialStore | undefined
}

const orNull = (description: string) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum: 0, description })

const DenialItem = Type.Object(
  {
    at: timeOf('Time of the denial'),
    key: Type.String({ description: 'The key, in plain text.' }),
    policy: Type.String({ description: 'The config key of the policy that denied, or `default`.' }),
    policyVersion: Type.Integer({ minimum: 0, description: 'Its version. 0 for the built-in policy.' }),
    violated: Type.Array(Type.String(), {
      description: 'The names of the limits that denied. None if the policy blocks.',
    }),
    tokens: Type.Integer({ minimum: 0, description: 'The tokens that were asked for.' }),
    remaining: orNull('Whole tokens that were left. `null` if unknown.'),
    retryAfterMs: orNull('Time until the same check would be allowed, in ms. `null` if never.'),
    source: Type.Unsafe<DecisionSource>({
      type: 'string',
      enum: [...DECISION_SOURCES],
      description: 'Who decided, as in decisions.',
    }),
    requestId: Type.Optional(
      Type.String({ description: 'The `x-request-id` of the request. Absent if its protocol has none.' }),
    ),
  },
  { title: 'SampledDenial', description: 'Why one check was denied.' },
)

const EXAMPLE = {
  at: '2026-01-31T14:03:12.345Z',
  key: 'user:42',
  policy: 'user:*',
  policyVersion: 3,
  violated: ['burst'],
  tokens: 1,
  remaining: 0,
  retryAfterMs: 87,
  source: 'redis',
  requestId: '5f2b3c4d5e6f7a8b-1841',
}

const DenialsResponse = Type.Object(
  {
    items: Type.Array(DenialItem, {
      description:
        'Sampled denials, newest first. One on the next page may be newer by a second, if another process recorded it.',
    }),
    nextCursor: Type.Optional(
      Type.String({
        description: 'The `cursor` of the next page. Absent on the last page; others can be short, or empty.',
      }),
    ),
  },
  { title: 'Denials', description: 'One page of sampled denials.', examples: [{ items: [EXAMPLE] }] },
)

const DOCS: RouteDocs = {
  summary: 'List sampled denials',
  description:
    'Why checks were denied: a sample of at most one denial for each key, process and second, and of 100 a second for each process. ' +
    'The newest `DENIALS_KEPT` are kept. With `LOG_KEYS=none`, the response is 404.',
  errors: ['not-found', 'key-invalid', 'cursor-invalid', 'store-unavailable'],
}

/** `GET /denials`: why was this key denied? */
export const denialsRoute: FastifyPluginAsyncTypebox<DenialsRouteOptions & { readonly reads: LongReads }> = async (
  app,
  { denials, reads },
) => {
  app.get(
    '/denials',
    {
      config: { access: 'admin', docs: DOCS },
      schema: { querystring: DenialsQuery, response: { 200: DenialsResponse } },
    },
    async request => {
      const store = ifKeysAreKept(denials)
      const query = readDenialsQuery(request.query)
      const page = await reads.read({ kind: 'list', request }, nextPart =>
        readDenials(store, query, { recordsPerPart: ENTRIES_PER_PART, nextPart }),
      )
      return {
        items: page.denials.map(denialBody),
        ...(page.next !== undefined && { nextCursor: placeCursor(request.query).encode(page.next) }),
      }
    },
  )
}

function denialBody({ atMs, violated, requestId, ...rest }: Denial) {
  return { at: isoTime(atMs), ...rest, violated: [...violated], ...(requestId !== undefined && { requestId }) }
}
