import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { importId } from '../../domain/command-id.ts'
import { compressionFault } from '../../http/json-body.ts'
import { Problem, validationProblem } from '../../lib/errors.ts'
import type { Logger } from '../../observability/logger.ts'
import { NDJSON } from '../import/ndjson.ts'
import { stageImport } from '../import/stage-import.ts'
import type { ImportStaging } from '../ports.ts'
import type { ImportResult } from '../submit/command-statuses.ts'
import type { CommandSubmitter } from '../submit/command-submitter.ts'
import { commandProblem } from './command-problem.ts'
import { IMPORT_DOCS } from './config.docs.ts'
import { changeReason, conditionsOf, idempotencyKey, preferredWaitMs } from './request-fields.ts'

export interface ImportRouteOptions {
  readonly submitter: CommandSubmitter
  readonly staging: ImportStaging
  readonly importMaxBytes: number
  readonly logger: Logger
}

const MEDIA_TYPE = new RegExp(`^${NDJSON.replace('x-', '(x-)?')}\\s*(;\\s*charset\\s*=\\s*"?utf-?8"?\\s*)?;?\\s*$`, 'i')

const commandId = Type.String({ description: 'Id of the command, for `GET /commands/{id}`.' })
const responses = {
  200: Type.Object(
    {
      commandId,
      status: Type.Literal('applied', { description: 'Every policy of the file is in force.' }),
      created: Type.Integer({ description: 'Policies whose config key had none.' }),
      changed: Type.Integer({ description: 'Policies that replaced another one.' }),
      unchanged: Type.Integer({ description: 'Policies that were stored already.' }),
    },
    { title: 'ImportResult', description: 'What an import did.' },
  ),
  202: Type.Object(
    { commandId, status: Type.Literal('queued', { description: 'The import waits to be applied.' }) },
    { title: 'AcceptedImport', description: 'An import that was accepted, and is applied later.' },
  ),
}

/** `POST /config/import`: replaces the policies of all keys in a file, and leaves the other policies as they are. */
export const importRoute: FastifyPluginAsyncTypebox<ImportRouteOptions> = async (app, options) => {
  const { submitter, staging, importMaxBytes, logger } = options
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(MEDIA_TYPE, (request, payload, done) => {
    const problem = compressionFault(request) ?? announcedTooLarge(Number(request.headers['content-length']))
    done(problem ?? null, payload)
  })

  app.post(
    '/config/import',
    { config: { access: 'admin', docs: IMPORT_DOCS }, schema: { response: responses } },
    async (request, reply) => {
      const { headers, actor } = request
      const reason = changeReason(headers)
      const submitOptions = {
        waitMs: preferredWaitMs(headers),
        idempotencyKey: idempotencyKey(headers),
      }
      refuseConditions(headers)
      const id = importId(randomUUID())
      const fingerprint = await stageImport(id, limited(request.body), staging)
      const asked = { id, actor, requestId: request.id, fingerprint, ...(reason !== undefined && { reason }) }
      const { commandId, result } = await submitter.submitImport(asked, submitOptions)
      logger.info({ requestId: request.id, commandId, type: 'import' }, 'command accepted')
      if (submitOptions.waitMs > 0) reply.header('preference-applied', 'wait')
      if (result !== undefined) return sendResult(reply, result)
      reply.header('location', `/commands/${commandId}`)
      return reply.code(202).send({ commandId, status: 'queued' })
    },
  )

  function announcedTooLarge(contentLength: number): Problem | undefined {
    return contentLength > importMaxBytes ? tooLarge() : undefined
  }

  /** The file as it arrives. A refused file is read to its end, or the client might not receive the response. */
  async function* limited(body: unknown): AsyncGenerator<Buffer> {
    if (!(body instanceof Readable)) return
    let size = 0
    try {
      for await (const bytes of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += bytes.length
        if (size > importMaxBytes) throw tooLarge()
        yield bytes
      }
    } finally {
      body.resume()
    }
  }

  function tooLarge(): Problem {
    return new Problem('body-too-large', `the import has more than the ${importMaxBytes} bytes of IMPORT_MAX_BYTES`)
  }
}

function refuseConditions(headers: Parameters<typeof conditionsOf>[0]): void {
  const conditions = conditionsOf(headers)
  if (conditions === undefined) return
  const field = conditions.ifMatch === undefined ? 'if-none-match' : 'if-match'
  throw validationProblem([
    { path: `/headers/${field}`, message: 'is not allowed with an import, which has many keys' },
  ])
}

function sendResult(reply: FastifyReply, result: ImportResult): FastifyReply {
  if (result.status !== 'applied') throw commandProblem(result.id, result)
  return reply.code(200).send({ commandId: result.id, status: result.status, ...result.counts })
}
