import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { parseCommandId, parseImportId } from '../../domain/command-id.ts'
import { problemBody } from '../../http/problem.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { Problem } from '../../lib/errors.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import type { CommandStatuses } from '../submit/command-statuses.ts'
import { commandProblem } from './command-problem.ts'

export interface CommandRoutesOptions {
  readonly statuses: CommandStatuses
}

const CommandResponse = Type.Object(
  {
    id: Type.String(),
    status: Type.String(),
    key: Type.Optional(Type.String()),
    version: Type.Optional(Type.Integer()),
    created: Type.Optional(Type.Integer()),
    changed: Type.Optional(Type.Integer()),
    unchanged: Type.Optional(Type.Integer()),
    error: Type.Optional(Type.Object({}, { additionalProperties: true })),
  },
  { examples: [{ id: '2-4f09fe02-81cd-4b82-a4cb-7253acf57da9', status: 'applied', key: 'user:*', version: 3 }] },
)

const DOCS: RouteDocs = {
  summary: 'The state of a change',
  errors: ['command-not-found', 'config-store-unavailable'],
}

/** `GET /commands/{id}`: whether a change is queued, or how it ended. */
export const commandRoutes: FastifyPluginAsyncTypebox<CommandRoutesOptions> = async (app, { statuses }) => {
  app.get(
    '/commands/:id',
    {
      config: { access: 'admin', docs: DOCS },
      schema: { params: Type.Object({ id: Type.String() }), response: { 200: CommandResponse } },
    },
    async request => {
      const { id: text } = request.params
      const id = parseCommandId(text) ?? parseImportId(text)
      const command = id && (await mapStoreErrors(statuses.of(id)))
      if (command !== undefined) return commandBody(command, request.id)
      throw new Problem('command-not-found', `there is no command "${text}", or its outcome has expired`)
    },
  )
}

function commandBody(command: NonNullable<Awaited<ReturnType<CommandStatuses['of']>>>, requestId: string) {
  const { id, status } = command
  const common = { id, status, ...('key' in command && command.key !== undefined && { key: command.key }) }
  if ('counts' in command) return { ...common, ...command.counts }
  if ('error' in command) return { ...common, error: problemBody(commandProblem(id, command), requestId) }
  return 'version' in command ? { ...common, version: command.version } : common
}
