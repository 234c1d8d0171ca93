import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NewCommand } from '../../domain/commands.ts'
import { expiryFault, tooFarFault } from '../../domain/expiry.ts'
import type { AppliedCommand } from '../../domain/outcome.ts'
import { type PolicyRecord, recordAt, recordOf } from '../../domain/policy-record.ts'
import { idempotencyKey } from '../../http/idempotency-key.ts'
import type { RequestSpans } from '../../http/request-spans.ts'
import type { Logger } from '../../observability/logger.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import { PolicyRequest, refuseExpiry, toRequestedPolicy } from '../policy.schema.ts'
import type { PolicyReader } from '../ports.ts'
import type { CommandSubmitter, Submission } from '../submit/command-submitter.ts'
import { dryRun } from '../submit/dry-run.ts'
import { commandProblem } from './command-problem.ts'
import { DELETE_DOCS, PUT_DOCS, ROLLBACK_DOCS } from './config.docs.ts'
import { acceptConfigKey, KeyParams } from './config-key.ts'
import { DryRunResponse, dryRunBody } from './dry-run-json.ts'
import { entityTag, PolicyResponse, sendBody, sendPolicy } from './policy-json.ts'
import { changeReason, conditionsOf, preferredWaitMs } from './request-fields.ts'
import { versionNumber } from './version-number.schema.ts'

export interface ChangeRoutesOptions {
  readonly submitter: CommandSubmitter
  readonly reader: PolicyReader
  readonly requestSpans: Pick<RequestSpans, 'traceparentOf'>
  readonly logger: Logger
}

const AcceptedResponse = Type.Object(
  {
    commandId: Type.String({ description: 'Id of the command, for `GET /commands/{id}`.' }),
    status: Type.Literal('queued', { description: 'The change waits to be applied.' }),
    key: Type.String({ description: 'The config key.' }),
  },
  {
    title: 'AcceptedChange',
    description: 'A change that was accepted, and is applied later.',
    examples: [{ commandId: '2-4f09fe02-81cd-4b82-a4cb-7253acf57da9', status: 'queued', key: 'user:*' }],
  },
)

const AppliedResponse = Type.Object(
  {
    commandId: Type.String({ description: 'Id of the command.' }),
    status: Type.Literal('applied', { description: 'The change was applied.' }),
    key: Type.String({ description: 'The config key.' }),
    version: Type.Integer({ description: 'The version of the policy after the change.' }),
  },
  {
    title: 'AppliedChange',
    description: 'In place of the policy, if a request is repeated after its version was compacted.',
    examples: [{ commandId: '2-4f09fe02-81cd-4b82-a4cb-7253acf57da9', status: 'applied', key: 'user:*', version: 3 }],
  },
)

const examples = PolicyResponse['examples']
const ChangedResponse = Type.Union([PolicyResponse, AppliedResponse], { examples })

const changeResponses = {
  200: ChangedResponse,
  201: ChangedResponse,
  202: AcceptedResponse,
  204: { type: 'null' },
} as const

const putResponses = {
  ...changeResponses,
  200: Type.Union([PolicyResponse, DryRunResponse, AppliedResponse], { examples }),
}

const PutQuery = Type.Object(
  { dryRun: Type.Boolean({ default: false, description: 'Returns what would change, and changes nothing.' }) },
  { additionalProperties: false },
)

const RollbackRequest = Type.Object(
  { version: versionNumber('The version to restore.') },
  {
    title: 'RollbackRequest',
    description: 'Which version of the policy to restore.',
    additionalProperties: false,
    examples: [{ version: 1 }],
  },
)

/** `PUT` and `DELETE /config/{key}`, `POST /config/{key}/rollback`: changes of one policy. */
export const changeRoutes: FastifyPluginAsyncTypebox<ChangeRoutesOptions> = async (
  app,
  { submitter, reader, requestSpans, logger },
) => {
  app.put(
    '/config/:key',
    {
      config: { access: 'admin', docs: PUT_DOCS },
      schema: { params: KeyParams, querystring: PutQuery, body: PolicyRequest, response: putResponses },
    },
    async (request, reply) => {
      const { key } = request.params
      acceptConfigKey(key)
      const policy = toRequestedPolicy(request.body)
      const command = { ...commandFields(request, requestSpans), type: 'put', key, policy } as const
      const repeatKey = idempotencyKey(request.headers)
      // A repeated request must find its command, even if the policy has ended since. Otherwise the command is rejected.
      const expiryFaultOf = repeatKey === undefined ? expiryFault : tooFarFault
      refuseExpiry(policy, expiresAt => expiryFaultOf(expiresAt, Date.now()))
      if (!request.query.dryRun) return change(request, reply, command, repeatKey)
      return sendBody(reply, dryRunBody(await dryRun(command, { reader, at: new Date().toISOString() })))
    },
  )

  app.delete(
    '/config/:key',
    { config: { access: 'admin', docs: DELETE_DOCS }, schema: { params: KeyParams, response: changeResponses } },
    (request, reply) => {
      const { key } = request.params
      acceptConfigKey(key)
      const command = { ...commandFields(request, requestSpans), type: 'delete', key } as const
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
      const { key } = request.params
      acceptConfigKey(key)
      const command = {
        ...commandFields(request, requestSpans),
        type: 'rollback',
        key,
        version: request.body.version,
      } as const
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
    const submission = await submitter.submit(command, { waitMs, idempotencyKey })
    const { commandId, result } = submission
    logger.info({ requestId: request.id, commandId, type: command.type }, 'command accepted')
    if (waitMs > 0) reply.header('preference-applied', 'wait')
    if (result !== undefined) return sendResult(reply, command.key, { ...submission, result })
    reply.header('location', `/commands/${commandId}`)
    return reply.code(202).send({ commandId, status: 'queued', key: command.key })
  }

  /** The record usually follows from the event, which this process has just read. */
  async function sendResult(
    reply: FastifyReply,
    key: string,
    { result, event }: Required<Pick<Submission, 'result'>> & Submission,
  ): Promise<FastifyReply> {
    if (result.status !== 'applied') throw commandProblem(result.id, result)
    if ('counts' in result) throw new Error(`command ${result.id} of one key has the result of an import`)
    if (result.effect === 'deleted') return reply.code(204).send()
    const record = (event && recordOf(event)) ?? (await readResult(key, result))
    reply.code(result.effect === 'created' ? 201 : 200)
    return record === undefined ? sendApplied(reply, result) : sendPolicy(reply, record)
  }

  /** Without a change, the version may be one that has ended. `undefined` if it was compacted. */
  async function readResult(key: string, { version, effect }: AppliedCommand): Promise<PolicyRecord | undefined> {
    const event = await mapStoreErrors(reader.version(key, version))
    const record = event && recordOf(event)
    return (effect === 'unchanged' && record && recordAt(record, Date.now())) || record
  }

  function sendApplied(reply: FastifyReply, { id, status, key, version }: AppliedCommand): FastifyReply {
    return sendBody(reply.header('etag', entityTag({ version })), { commandId: id, status, key, version })
  }
}

function commandFields(request: FastifyRequest, requestSpans: ChangeRoutesOptions['requestSpans']) {
  const traceparent = requestSpans.traceparentOf(request)
  const reason = changeReason(request.headers)
  const conditions = conditionsOf(request.headers)
  return {
    actor: request.actor,
    requestId: request.id,
    ...(traceparent !== undefined && { traceparent }),
    ...(reason !== undefined && { reason }),
    ...(conditions && { conditions }),
  }
}
