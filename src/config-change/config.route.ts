import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NewCommand } from '../domain/commands.ts'
import { configKeyFault } from '../domain/key.ts'
import type { Outcome } from '../domain/outcome.ts'
import { Problem } from '../errors.ts'
import type { Logger } from '../logger.ts'
import {
  AcceptedResponse,
  GetPolicyQuery,
  KeyParams,
  ListQuery,
  PolicyListResponse,
  PolicyResponse,
  policyBody,
} from './config.schema.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { PolicyRequest, toPolicyDefinition } from './policy.schema.ts'
import type { PolicyReader, PolicyRecord } from './ports.ts'
import { changeReason, conditionsOf, preferredWaitMs } from './request-fields.ts'
import type { CommandSubmitter } from './submit.ts'
import { orUnavailable } from './unavailable.ts'

export interface ConfigRoutesOptions {
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

/** `/config`: operators read and change policies. */
export const configRoutes: FastifyPluginAsyncTypebox<ConfigRoutesOptions> = async (
  app,
  { submitter, reader, logger },
) => {
  app.put(
    '/config/:key',
    { config: { access: 'admin' }, schema: { params: KeyParams, body: PolicyRequest, response: changeResponses } },
    (request, reply) => {
      const { key } = acceptKey(request.params)
      const policy = toPolicyDefinition(request.body)
      return change(request, reply, { ...commandFields(request), type: 'put', key, policy })
    },
  )

  app.delete(
    '/config/:key',
    { config: { access: 'admin' }, schema: { params: KeyParams, response: changeResponses } },
    (request, reply) => {
      const { key } = acceptKey(request.params)
      return change(request, reply, { ...commandFields(request), type: 'delete', key })
    },
  )

  async function change(request: FastifyRequest, reply: FastifyReply, command: NewCommand): Promise<FastifyReply> {
    const waitMs = preferredWaitMs(request.headers)
    const { commandId, outcome } = await submitter.submit(command, { requestId: request.id, waitMs })
    logger.info({ requestId: request.id, commandId, type: command.type }, 'command accepted')
    if (waitMs > 0) reply.header('preference-applied', 'wait')
    if (outcome !== undefined) return answerOutcome(reply, outcome)
    reply.header('location', `/commands/${commandId}`)
    return reply.code(202).send({ commandId, status: 'queued', key: command.key })
  }

  async function answerOutcome(reply: FastifyReply, outcome: Outcome): Promise<FastifyReply> {
    if (outcome.status === 'rejected') throw new Problem(outcome.error.code, outcome.error.detail)
    if (outcome.effect === 'deleted') return reply.code(204).send()
    const record = await readVersion(outcome.key, outcome.version)
    return sendPolicy(reply.code(outcome.effect === 'created' ? 201 : 200), record)
  }

  app.get(
    '/config/:key',
    {
      config: { access: 'admin' },
      schema: { params: KeyParams, querystring: GetPolicyQuery, response: { 200: PolicyResponse } },
    },
    async (request, reply) => {
      const { key } = acceptKey(request.params)
      const { version } = request.query
      return sendPolicy(reply, version === undefined ? await readCurrent(key) : await readVersion(key, version))
    },
  )

  async function readCurrent(key: string): Promise<PolicyRecord> {
    const record = await orUnavailable(reader.get(key))
    if (record === undefined) throw new Problem('policy-not-found', `the key "${key}" has no policy`)
    return record
  }

  async function readVersion(key: string, version: number): Promise<PolicyRecord> {
    const event = await orUnavailable(reader.version(key, version))
    if (event === undefined) throw new Problem('version-not-found', `the key "${key}" has no version ${version}`)
    if (event.policy === null) throw new Problem('version-not-found', `version ${version} of "${key}" is its deletion`)
    return { key, version, policy: event.policy, updatedAt: event.at, updatedBy: event.actor }
  }

  app.get(
    '/config',
    { config: { access: 'admin' }, schema: { querystring: ListQuery, response: { 200: PolicyListResponse } } },
    async ({ query: { prefix, limit, cursor } }) => {
      const after = cursor === undefined ? undefined : decodeCursor(cursor, prefix)
      const records = await orUnavailable(reader.list({ prefix, after, limit: limit + 1 }))
      const page = records.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page.map(policyBody),
        ...(records.length > limit && last && { nextCursor: encodeCursor(last.key) }),
      }
    },
  )
}

function acceptKey(params: { key: string }): { key: string } {
  const fault = configKeyFault(params.key)
  if (fault === undefined) return params
  throw new Problem(fault.code, fault.detail, { members: { errors: [{ path: '/params/key', message: fault.detail }] } })
}

function commandFields(request: FastifyRequest) {
  const reason = changeReason(request.headers)
  const conditions = conditionsOf(request.headers)
  return { actor: request.actor, ...(reason !== undefined && { reason }), ...(conditions && { conditions }) }
}

function sendPolicy(reply: FastifyReply, record: PolicyRecord): FastifyReply {
  return reply.header('etag', `"${record.version}"`).send(policyBody(record))
}
