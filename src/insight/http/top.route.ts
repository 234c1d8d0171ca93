import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { RouteDocs } from '../../http/route-docs.ts'
import { MEASURES, type Measure } from '../ports.ts'
import { MAX_TOP_KEYS, type TopKeys } from '../top-keys.ts'
import { ifKeysAreKept } from './if-keys-are-kept.ts'
import { isoTime, timeOf, windowQuery } from './window.schema.ts'

export interface TopRouteOptions {
  /** Absent if nothing that names keys is kept. */
  readonly topKeys: TopKeys | undefined
}

const TopQuery = Type.Object(
  {
    by: Type.Unsafe<Measure>({
      type: 'string',
      enum: [...MEASURES],
      default: 'denied',
      description:
        'What is counted: denied or allowed checks, spent tokens, or checks that were allowed, but would be denied if the mode or a ' +
        'limit were not `shadow`.',
    }),
    window: windowQuery('15m', 'The span of time, up to now.'),
    limit: Type.Integer({ minimum: 1, maximum: MAX_TOP_KEYS, default: 20, description: 'The most keys to return.' }),
  },
  { additionalProperties: false },
)

const TopKey = Type.Object(
  {
    key: Type.String({ description: 'The key, in plain text.' }),
    policy: Type.String({ description: 'The config key of the policy that decided last, or `default`.' }),
    count: Type.Integer({ minimum: 0, description: 'The number that has certainly been counted.' }),
  },
  { title: 'TopKey', description: 'A key with its count.' },
)

const TopResponse = Type.Object(
  {
    from: timeOf('Start of what is counted: the window, and the rest of the minute or hour in which it begins'),
    to: timeOf('End of what is counted'),
    items: Type.Array(TopKey, { description: 'The keys with the largest counts, largest first.' }),
    maxError: Type.Integer({
      minimum: 0,
      description:
        'The true number of each key lies between `count` and `count + maxError`; that of a key that is not listed is at most the ' +
        'smallest count + `maxError`.',
    }),
  },
  {
    title: 'TopKeys',
    description: 'The keys with the largest counts.',
    examples: [
      {
        from: '2026-01-31T12:00:00.000Z',
        to: '2026-01-31T12:15:42.108Z',
        items: [{ key: 'user:42', policy: 'user:*', count: 1841 }],
        maxError: 3,
      },
    ],
  },
)

const DOCS: RouteDocs = {
  summary: 'List the keys with the most checks',
  description:
    'The keys with the largest counts of all instances that share the bucket store, as their processes have reported them, which ' +
    'they do every five seconds. With `LOG_KEYS=none`, the response is 404.',
  errors: ['not-found', 'store-unavailable'],
}

/** `GET /top`: which keys are denied most, or spend most. */
export const topRoute: FastifyPluginAsyncTypebox<TopRouteOptions> = async (app, { topKeys }) => {
  app.get(
    '/top',
    { config: { access: 'admin', docs: DOCS }, schema: { querystring: TopQuery, response: { 200: TopResponse } } },
    async request => {
      const { by, window, limit } = request.query
      const { fromMs, toMs, items, maxError } = await ifKeysAreKept(topKeys).find(by, window)
      return { from: isoTime(fromMs), to: isoTime(toMs), items: items.slice(0, limit), maxError }
    },
  )
}
