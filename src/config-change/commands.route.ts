import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { Outcome } from '../domain/outcome.ts'
import { Problem } from '../errors.ts'
import { problemBody } from '../http/problem.ts'
import type { CommandQueue, PolicyReader } from './ports.ts'
import { orUnavailable } from './unavailable.ts'

export interface CommandRoutesOptions {
  readonly queue: CommandQueue
  readonly reader: PolicyReader
}

const CommandResponse = Type.Object({
  id: Type.String(),
  status: Type.String(),
  key: Type.String(),
  version: Type.Optional(Type.Integer()),
  error: Type.Optional(Type.Object({}, { additionalProperties: true })),
})

/** `GET /commands/{id}`: what became of a change. */
export const commandRoutes: FastifyPluginAsyncTypebox<CommandRoutesOptions> = async (app, { queue, reader }) => {
  app.get(
    '/commands/:id',
    {
      config: { access: 'admin' },
      schema: { params: Type.Object({ id: Type.String() }), response: { 200: CommandResponse } },
    },
    async request => {
      const { id } = request.params
      // The queue first: a command that ends between the two reads is then found by its outcome.
      const queued = await orUnavailable(queue.findQueued(id))
      const outcome = await orUnavailable(reader.outcome(id))
      if (outcome !== undefined) return commandBody(outcome, request.id)
      if (queued !== undefined) return { id, status: 'queued', key: queued.key }
      throw new Problem(
        'command-not-found',
        `there is no command "${id}", or it ended longer ago than outcomes are kept`,
      )
    },
  )
}

function commandBody(outcome: Outcome, requestId: string) {
  const { id, status, key } = outcome
  if (outcome.status === 'applied') return { id, status, key, version: outcome.version }
  return { id, status, key, error: problemBody(new Problem(outcome.error.code, outcome.error.detail), requestId) }
}
