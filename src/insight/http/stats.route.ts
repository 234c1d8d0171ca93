import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { RouteDocs } from '../../http/route-docs.ts'
import type { OutcomeHistory } from '../outcome-history.ts'
import { isoTime, timeOf, windowQuery } from './window.schema.ts'

export interface StatsRouteOptions {
  readonly outcomes: OutcomeHistory
}

const StatsQuery = Type.Object(
  { window: windowQuery('1h', 'The span of time, up to now.') },
  { additionalProperties: false },
)

const counts = (description: string) => Type.Array(Type.Integer({ minimum: 0 }), { description })

const StatsResponse = Type.Object(
  {
    from: timeOf('Start of the first step'),
    to: timeOf('End of the last step'),
    stepSeconds: Type.Integer({ description: 'Length of a step, in seconds.' }),
    series: Type.Object(
      {
        allowed: counts('Allowed checks in each step, without shadowed ones.'),
        denied: counts('Denied checks in each step.'),
        shadowed: counts('Checks that were allowed, but would be denied if the mode or a limit were not `shadow`.'),
        error: counts('Checks that got 503 because the bucket store was unavailable.'),
      },
      { title: 'StatsSeries', description: 'The number of checks in each step, oldest first.' },
    ),
  },
  {
    title: 'Stats',
    description: 'Checks by outcome over time.',
    examples: [
      {
        from: '2026-01-31T12:00:00.000Z',
        to: '2026-01-31T12:01:00.000Z',
        stepSeconds: 5,
        series: {
          allowed: Array(12).fill(41),
          denied: Array(12).fill(3),
          shadowed: Array(12).fill(0),
          error: Array(12).fill(0),
        },
      },
    ],
  },
)

const DOCS: RouteDocs = {
  summary: 'Count checks over time',
  description:
    'Checks by outcome, of all instances that share the bucket store, in the steps of the window that have ended.',
  errors: ['store-unavailable'],
}

/** `GET /stats`: checks by outcome over time. */
export const statsRoute: FastifyPluginAsyncTypebox<StatsRouteOptions> = async (app, { outcomes }) => {
  app.get(
    '/stats',
    { config: { access: 'admin', docs: DOCS }, schema: { querystring: StatsQuery, response: { 200: StatsResponse } } },
    async request => {
      const { fromMs, toMs, stepMs, series } = await outcomes.read(request.query.window)
      return { from: isoTime(fromMs), to: isoTime(toMs), stepSeconds: stepMs / 1000, series }
    },
  )
}
