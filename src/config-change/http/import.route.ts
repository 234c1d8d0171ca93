import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { importId } from '../../domain/command-id.ts'
import { idempotencyKey } from '../../http/idempotency-key.ts'
import { compressionFault } from '../../http/json-body.ts'
import { inUtf8 } from '../../http/media-type.ts'
import type { RequestSpans } from '../../http/request-spans.ts'
import { ResponseTurns } from '../../http/response-turns.ts'
import { Problem, validationProblem } from '../../lib/errors.ts'
import type { Logger } from '../../observability/logger.ts'
import { dryRunImport } from '../import/dry-run-import.ts'
import { NDJSON } from '../import/ndjson.ts'
import { pruneFault, prunePrefix } from '../import/prune-prefix.ts'
import { stageImport } from '../import/stage-import.ts'
import type { ImportStaging, StateReader } from '../ports.ts'
import type { ImportResult } from '../submit/command-statuses.ts'
import type { CommandSubmitter } from '../submit/command-submitter.ts'
import { commandProblem } from './command-problem.ts'
import { IMPORT_DOCS } from './config.docs.ts'
import { ImportQuery, importResponses, resultBody } from './import-json.ts'
import { sendBody } from './policy-json.ts'
import { changeReason, conditionsOf, preferredWaitMs } from './request-fields.ts'

export interface ImportRouteOptions {
  readonly submitter: CommandSubmitter
  readonly staging: ImportStaging
  readonly reader: Pick<StateReader, 'states' | 'keys'>
  /** Aborts when the process is about to close: what waits for long then is refused. */
  readonly closing: AbortSignal
  readonly importMaxBytes: number
  readonly requestSpans: Pick<RequestSpans, 'traceparentOf'>
  readonly logger: Logger
}

const MEDIA_TYPE = inUtf8(NDJSON.replace('x-', '(x-)?'))

/** A turn compares a hundred policies in about two milliseconds, so dry runs take less than half of the time of a process. */
const DRY_RUN_PACE = { perSecond: 200, burst: 1, maxWaiting: 100 }

/** `POST /config/import`: replaces the policies of all keys in a file, and deletes those that it prunes. */
export const importRoute: FastifyPluginAsyncTypebox<ImportRouteOptions> = async (app, options) => {
  const { submitter, staging, reader, closing, importMaxBytes, requestSpans, logger } = options
  const turns = new ResponseTurns(closing, DRY_RUN_PACE)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(MEDIA_TYPE, (request, payload, done) => {
    const problem = compressionFault(request) ?? announcedTooLarge(Number(request.headers['content-length']))
    done(problem ?? null, payload)
  })

  app.post(
    '/config/import',
    { config: { access: 'admin', docs: IMPORT_DOCS }, schema: { querystring: ImportQuery, response: importResponses } },
    (request, reply) => {
      const asked = acceptRequest(request.query.prune, request.headers)
      return request.query.dryRun ? compare(request, reply, asked) : submit(request, reply, asked)
    },
  )

  async function compare(request: FastifyRequest, reply: FastifyReply, { prune }: AcceptedRequest) {
    const at = new Date().toISOString()
    const nextTurn = () => turns.nextStep(request)
    return sendBody(reply, await dryRunImport(limited(request.body), { reader, at, prune, nextTurn }))
  }

  async function submit(
    request: FastifyRequest,
    reply: FastifyReply,
    { prune, reason, ...submitOptions }: AcceptedRequest,
  ) {
    const id = importId(randomUUID())
    const fingerprint = await stageImport({ id, file: limited(request.body), prune }, staging)
    const traceparent = requestSpans.traceparentOf(request)
    const asked = {
      ...{ id, actor: request.actor, requestId: request.id, fingerprint },
      ...(traceparent !== undefined && { traceparent }),
      ...(reason !== undefined && { reason }),
      ...(prune !== undefined && { prune }),
    }
    const { commandId, result } = await submitter.submitImport(asked, submitOptions)
    logger.info({ requestId: request.id, commandId, type: 'import' }, 'command accepted')
    if (submitOptions.waitMs > 0) reply.header('preference-applied', 'wait')
    if (result !== undefined) return sendResult(reply, result)
    reply.header('location', `/commands/${commandId}`)
    return reply.code(202).send({ commandId, status: 'queued' })
  }

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

/** What the query and the header fields ask for. */
interface AcceptedRequest {
  readonly prune: string | undefined
  readonly reason: string | undefined
  readonly waitMs: number
  readonly idempotencyKey: string | undefined
}

/** @throws {Problem} `validation-failed` */
function acceptRequest(prune: string | undefined, headers: IncomingHttpHeaders): AcceptedRequest {
  refuseConditions(headers)
  return {
    prune: prune === undefined ? undefined : acceptPrefix(prune),
    reason: changeReason(headers),
    waitMs: preferredWaitMs(headers),
    idempotencyKey: idempotencyKey(headers),
  }
}

function acceptPrefix(given: string): string {
  const message = pruneFault(given)
  if (message !== undefined) throw validationProblem([{ path: '/query/prune', message }])
  return prunePrefix(given)
}

function refuseConditions(headers: IncomingHttpHeaders): void {
  const conditions = conditionsOf(headers)
  if (conditions === undefined) return
  const field = conditions.ifMatch === undefined ? 'if-none-match' : 'if-match'
  throw validationProblem([
    { path: `/headers/${field}`, message: 'is not allowed with an import, which has many keys' },
  ])
}

function sendResult(reply: FastifyReply, result: ImportResult): FastifyReply {
  if (result.status !== 'applied') throw commandProblem(result.id, result)
  return sendBody(reply, resultBody(result.id, result.counts))
}
