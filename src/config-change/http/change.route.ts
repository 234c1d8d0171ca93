import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NewCommand } from '../../domain/commands.ts'
import type { CommandResult } from '../../domain/outcome.ts'
import type { Logger } from '../../observability/logger.ts'
import { PolicyRequest, toPolicyDefinition } from '../policy.schema.ts'
import type { PolicyReader } from '../ports.ts'
import { readVersion } from '../read-policy.ts'
import type { CommandSubmitter } from '../submit/command-submitter.ts'
import { dryRun } from '../submit/dry-run.ts'
import { commandProblem } from './command-problem.ts'
import { DELETE_DOCS, PUT_DOCS, ROLLBACK_DOCS } from './config.docs.ts'
import {
  AcceptedResponse,
  acceptKey,
  DryRunResponse,
  dryRunBody,
  KeyParams,
  PolicyResponse,
  sendBody,
  sendPolicy,
} from './config.schema.ts'
import { changeReason, conditionsOf, idempotencyKey, preferredWaitMs } from './request-fields.ts'

export interface ChangeRoutesOptions {
  readonly submitter: CommandSubmitter
  readonly reader: PolicyReader
  readonly logger: Logger
}

const changeResponses = {
  200: PolicyResponse,
  201: PolicyResponse,
  202: AcceptedResponse,
  204: { type: 'null' },
} as const

const putResponses = {
  ...changeResponses,
  200: Type.Union([PolicyResponse, DryRunResponse], { examples: PolicyResponse['examples'] }),
}

const PutQuery = Type.Object(
  { dryRun: Type.Boolean({ default: false, description: 'Says what would be applied, and changes nothing.' }) },
  { additionalProperties: false },
)

const RollbackRequest = Type.Object(
  { version: Type.Integer({ minimum: 1, description: 'The version to go back to.' }) },
  { additionalProperties: false, examples: [{ version: 1 }] },
)

/** `PUT` and `DELETE /config/{key}`, `POST /config/{key}/rollback`: changes of one policy. */
export const changeRoutes: FastifyPluginAsyncTypebox<ChangeRoutesOptions> = async (
  app,
  { submitter, reader, logger },
) => {
  app.put(
    '/config/:key',
    {
      config: { access: 'admin', docs: PUT_DOCS },
      schema: { params: KeyParams, querystring: PutQuery, body: PolicyRequest, response: putResponses },
    },
    async (request, reply) => {
      const { key } = acceptKey(request.params)
      const policy = toPolicyDefinition(request.body)
      const command = { ...commandFields(request), type: 'put', key, policy } as const
      const name = idempotencyKey(request.headers)
      if (!request.query.dryRun) return change(request, reply, command, name)
      return sendBody(reply, dryRunBody(await dryRun(command, { reader, at: new Date().toISOString() })))
    },
  )

  app.delete(
    '/config/:key',
    { config: { access: 'admin', docs: DELETE_DOCS }, schema: { params: KeyParams, response: changeResponses } },
    (request, reply) => {
      const { key } = acceptKey(request.params)
      const command = { ...commandFields(request), type: 'delete', key } as const
      return change(request, reply, command, idempotencyKey(request.headers))
    },
  )

  app.post(
    '/config/:key/rollback',
    {
      config: { access: 'admin', docs: ROLLBACK_DOCS },
      schema: { params: KeyParams, body: RollbackRequest, response: changeResponses },
    },
    (request, reply) => {
      const { key } = acceptKey(request.params)
      const command = { ...commandFields(request), type: 'rollback', key, version: request.body.version } as const
      return change(request, reply, command, idempotencyKey(request.headers))
    },
  )

  async function change(
    request: FastifyRequest,
    reply: FastifyReply,
    command: NewCommand,
    idempotencyKey: string | undefined,
  ): Promise<FastifyReply> {
    const waitMs = preferredWaitMs(request.headers)
    const { commandId, ending } = await submitter.submit(command, { waitMs, idempotencyKey })
    logger.info({ requestId: request.id, commandId, type: command.type }, 'command accepted')
    if (waitMs > 0) reply.header('preference-applied', 'wait')
    if (ending !== undefined) return sendResult(reply, command.key, ending)
    reply.header('location', `/commands/${commandId}`)
    return reply.code(202).send({ commandId, status: 'queued', key: command.key })
  }

  async function sendResult(reply: FastifyReply, key: string, ending: CommandResult): Promise<FastifyReply> {
    if (ending.status !== 'applied') throw commandProblem(ending.id, ending)
    if ('counts' in ending) throw new Error(`command ${ending.id} of one key ended like an import`)
    if (ending.effect === 'deleted') return reply.code(204).send()
    const record = await readVersion(reader, key, ending.version)
    return sendPolicy(reply.code(ending.effect === 'created' ? 201 : 200), record)
  }
}

function commandFields(request: FastifyRequest) {
  const reason = changeReason(request.headers)
  const conditions = conditionsOf(request.headers)
  return {
    actor: request.actor,
    requestId: request.id,
    ...(reason !== undefined && { reason }),
    ...(conditions && { conditions }),
  }
}
