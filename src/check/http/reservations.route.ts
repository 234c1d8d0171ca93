import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { idempotencyKey } from '../../http/idempotency-key.ts'
import { withOptionalBody } from '../../http/optional-body.ts'
import type { RequestLog } from '../../http/request-log.ts'
import { sendJson } from '../../http/send-json.ts'
import type { FieldStyle } from '../../settings/env.schema.ts'
import { writeRateLimitFields } from '../rate-limit-fields.ts'
import type { Reservations, Reserved } from '../reservations.ts'
import { ExtendRequest, ReservationParams, ReservationRequest, SettleRequest } from './reservation.schema.ts'
import { createdJson, reservationBody, settledJson, timeOf } from './reservation-json.ts'
import { amountsOf, requestedChecks } from './reservation-request.ts'
import { CREATE_DOCS, EXTEND_DOCS, READ_DOCS, RELEASE_DOCS, SETTLE_DOCS } from './reservations.docs.ts'
import { sendDenial, sendGroupDenial } from './send-decision.ts'

export interface ReservationRoutesOptions {
  readonly reservations: Reservations
  readonly fieldStyle: FieldStyle
  readonly log: RequestLog
}

const PATH = '/reservations/:id'

/** `/reservations`: tokens held for work in progress. */
export const reservationRoutes: FastifyPluginAsyncTypebox<ReservationRoutesOptions> = async (app, options) => {
  const { reservations, fieldStyle, log } = options
  const validatorCompiler = withOptionalBody(app)
  /** Logs a call that the store answers slowly, as for checks. */
  const timed = async <T>(request: FastifyRequest, call: Promise<T>): Promise<T> => {
    const startMs = performance.now()
    const result = await call
    log.checked(request, performance.now() - startMs)
    return result
  }

  app.post(
    '/reservations',
    { config: { access: 'check', docs: CREATE_DOCS }, schema: { body: ReservationRequest } },
    async (request, reply) => {
      const { body, actor: caller } = request
      const { ttlMs, onExpiry } = body
      const checks = requestedChecks(body)
      const requested = {
        ...{ checks, ttlMs, onExpiry, caller, origin: request },
        idempotencyKey: idempotencyKey(request.headers),
      }
      const reserved = await timed(request, reservations.reserve(requested))
      writeRateLimitFields(reserved.decision.binding, fieldStyle, reply)
      return sendReserved(request, reply, { reserved, hasSeveral: body.checks !== undefined })
    },
  )

  app.post(
    `${PATH}/settle`,
    {
      config: { access: 'check', bodyIsOptional: true, docs: SETTLE_DOCS },
      schema: { params: ReservationParams, body: SettleRequest },
      validatorCompiler,
    },
    async (request, reply) => {
      const settled = await timed(request, reservations.settle(request.params.id, amountsOf(request.body), request))
      writeRateLimitFields(settled.decision.binding, fieldStyle, reply)
      return sendJson(reply, settledJson(settled))
    },
  )

  app.post(
    `${PATH}/extend`,
    {
      config: { access: 'check', bodyIsOptional: true, docs: EXTEND_DOCS },
      schema: { params: ReservationParams, body: ExtendRequest },
      validatorCompiler,
    },
    async (request, reply) => {
      const { id } = request.params
      const expiresAtMs = await timed(request, reservations.extend(id, request.body.ttlMs, request))
      return sendJson(reply, JSON.stringify({ id, expiresAt: timeOf(expiresAtMs) }))
    },
  )

  app.get(
    PATH,
    { config: { access: 'check', onlyReads: true, docs: READ_DOCS }, schema: { params: ReservationParams } },
    async (request, reply) => {
      const reservation = await timed(request, reservations.read(request.params.id))
      return sendJson(reply, JSON.stringify(reservationBody(reservation)))
    },
  )

  app.delete(
    PATH,
    { config: { access: 'check', docs: RELEASE_DOCS }, schema: { params: ReservationParams } },
    async (request, reply) => {
      await timed(request, reservations.release(request.params.id, request))
      return reply.code(204).send()
    },
  )
}

interface Answer {
  readonly reserved: Reserved
  /** Whether the request had several checks. */
  readonly hasSeveral: boolean
}

function sendReserved(request: FastifyRequest, reply: FastifyReply, { reserved, hasSeveral }: Answer): FastifyReply {
  const { decision, held } = reserved
  if (!decision.allowed) {
    return hasSeveral ? sendGroupDenial(request, reply, decision) : sendDenial(request, reply, decision.binding)
  }
  if (held !== undefined) reply.header('location', `/reservations/${held.id}`)
  return sendJson(reply.code(201), createdJson(reserved, hasSeveral))
}
