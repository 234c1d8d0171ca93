import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { parseCommandId, parseImportId } from '../../domain/command-id.ts'
import type { CommandResult } from '../../domain/outcome.ts'
import { ProblemResponse } from '../../http/problem.schema.ts'
import { problemBody } from '../../http/problem.ts'
import type { RouteDocs } from '../../http/route-docs.ts'
import { Problem } from '../../lib/errors.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import type { CommandStatuses, QueuedStatus } from '../submit/command-statuses.ts'
import { commandProblem } from './command-problem.ts'

export interface CommandRoutesOptions {
  readonly statuses: CommandStatuses
}

type CommandState = QueuedStatus['status'] | CommandResult['status']

const CommandResponse = Type.Object(
  {
    id: Type.String({ description: 'Id of the command.' }),
    status: Type.Unsafe<CommandState>({
      type: 'string',
      enum: ['queued', 'applied', 'rejected', 'failed'],
      description:
        '`queued` until it ends. `rejected` if it cannot be applied, such as when a condition does not hold. `failed` if it ' +
        'could not be processed; an operator may retry it.',
    }),
    key: Type.Optional(Type.String({ description: 'The config key. Absent for an import.' })),
    version: Type.Optional(Type.Integer({ description: 'The version of the policy after an applied command.' })),
    created: Type.Optional(Type.Integer({ description: 'For an import: policies whose config key had none.' })),
    changed: Type.Optional(Type.Integer({ description: 'For an import: policies that replaced another one.' })),
    unchanged: Type.Optional(Type.Integer({ description: 'For an import: policies that were stored already.' })),
    deleted: Type.Optional(Type.Integer({ description: 'For an import: policies that it pruned.' })),
    error: Type.Optional(ProblemResponse),
  },
  {
    title: 'Command',
    description:
      'The status of a change. `error` says why it was rejected or has failed. An import is applied in parts: if one of them was ' +
      'rejected or has failed, so has the import, and its counts are those of the parts that were applied.',
    examples: [{ id: '2-4f09fe02-81cd-4b82-a4cb-7253acf57da9', status: 'applied', key: 'user:*', version: 3 }],
  },
)

const CommandParams = Type.Object({
  id: Type.String({
    description: 'The `commandId` of the change.',
    examples: ['2-4f09fe02-81cd-4b82-a4cb-7253acf57da9'],
  }),
})

const DOCS: RouteDocs = {
  summary: 'Get the status of a change',
  description: 'The outcome of a command is kept for `COMMAND_RETENTION_MS`, by default a day.',
  errors: ['command-not-found', 'config-store-unavailable'],
}

/** `GET /commands/{id}`: whether a change is queued, or how it ended. */
export const commandRoutes: FastifyPluginAsyncTypebox<CommandRoutesOptions> = async (app, { statuses }) => {
  app.get(
    '/commands/:id',
    {
      config: { access: 'admin', docs: DOCS },
      schema: { params: CommandParams, response: { 200: CommandResponse } },
    },
    async request => {
      const { id: text } = request.params
      const id = parseCommandId(text) ?? parseImportId(text)
      const command = id && (await mapStoreErrors(statuses.of(id)))
      if (command !== undefined) return commandBody(command, request.id)
      throw new Problem('command-not-found', `there is no command "${text}", or its outcome has expired or is lost`)
    },
  )
}

function commandBody(command: NonNullable<Awaited<ReturnType<CommandStatuses['of']>>>, requestId: string) {
  const { id, status } = command
  const common = { id, status, ...('key' in command && command.key !== undefined && { key: command.key }) }
  return {
    ...common,
    ...('version' in command && { version: command.version }),
    ...('counts' in command && command.counts),
    ...('error' in command && { error: problemBody(commandProblem(id, command), requestId) }),
  }
}
