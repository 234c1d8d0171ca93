import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { bearerToken } from '../../access/bearer.ts'
import type { Reservation } from '../../domain/reservation.ts'
import { idempotencyKey } from '../../http/idempotency-key.ts'
import { withOptionalBody } from '../../http/optional-body.ts'
import type { Reply } from '../../http/reply.ts'
import type { RequestLog } from '../../http/request-log.ts'
import { sendJson } from '../../http/send-json.ts'
import type { FieldStyle } from '../../settings/env.schema.ts'
import { writeRateLimitFields } from '../rate-limit-fields.ts'
import type { Reservations, Reserved, Settled } from '../reservations.ts'
import { ExtendRequest, ReservationParams, ReservationRequest, SettleRequest } from './reservation.schema.ts'
import { createdJson, reservationBody, settledJson, timeOf } from './reservation-json.ts'
import { amountsOf, requestedChecks } from './reservation-request.ts'
import { CREATE_DOCS, EXTEND_DOCS, READ_DOCS, RELEASE_DOCS, SETTLE_DOCS } from './reservations.docs.ts'
import { sendAnswer } from './send-answer.ts'
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

  app.post(
    '/reservations',
    { config: { access: 'check', docs: CREATE_DOCS }, schema: { body: ReservationRequest } },
    (request, reply) => {
      const { body, headers } = request
      const { ttlMs, onExpiry } = body
      const checks = requestedChecks(body)
      const caller = { callerToken: bearerToken(headers.authorization), idempotencyKey: idempotencyKey(headers) }
      const requested = { checks, ttlMs, onExpiry, ...caller, origin: request }
      const onReserved = sendAnswer({ request, reply, log }, (reserved: Reserved) => {
        writeRateLimitFields(reserved.decision.binding, fieldStyle, reply)
        sendReserved(request, reply, { reserved, hasSeveral: body.checks !== undefined })
      })
      reservations.reserve(requested, onReserved)
    },
  )

  app.post(
    `${PATH}/settle`,
    {
      config: { access: 'check', bodyIsOptional: true, docs: SETTLE_DOCS },
      schema: { params: ReservationParams, body: SettleRequest },
      validatorCompiler,
    },
    (request, reply) => {
      const onSettled = sendAnswer({ request, reply, log }, (settled: Settled) => {
        writeRateLimitFields(settled.decision.binding, fieldStyle, reply)
        sendJson(reply, settledJson(settled))
      })
      reservations.settle(request.params.id, amountsOf(request.body), onSettled, request)
    },
  )

  app.post(
    `${PATH}/extend`,
    {
      config: { access: 'check', bodyIsOptional: true, docs: EXTEND_DOCS },
      schema: { params: ReservationParams, body: ExtendRequest },
      validatorCompiler,
    },
    (request, reply) => {
      const { id } = request.params
      const onExtended = sendAnswer({ request, reply, log }, (expiresAtMs: number) => {
        sendJson(reply, JSON.stringify({ id, expiresAt: timeOf(expiresAtMs) }))
      })
      reservations.extend(id, request.body.ttlMs, onExtended, request)
    },
  )

  app.get(
    PATH,
    { config: { access: 'check', onlyReads: true, docs: READ_DOCS }, schema: { params: ReservationParams } },
    (request, reply) => {
      const onReservation = sendAnswer({ request, reply, log }, (reservation: Reservation) => {
        sendJson(reply, JSON.stringify(reservationBody(reservation)))
      })
      reservations.read(request.params.id, onReservation)
    },
  )

  app.delete(
    PATH,
    { config: { access: 'check', docs: RELEASE_DOCS }, schema: { params: ReservationParams } },
    (request, reply) => {
      const onReleased = sendAnswer({ request, reply, log }, () => reply.code(204).send())
      reservations.release(request.params.id, onReleased, request)
    },
  )
}

interface Answer {
  readonly reserved: Reserved
  /** Whether the request had several checks. */
  readonly hasSeveral: boolean
}

function sendReserved(request: FastifyRequest, reply: FastifyReply, { reserved, hasSeveral }: Answer): Reply {
  const { decision, held } = reserved
  if (!decision.allowed) {
    return hasSeveral ? sendGroupDenial(request, reply, decision) : sendDenial(request, reply, decision.binding)
  }
  if (held !== undefined) reply.header('location', `/reservations/${held.id}`)
  return sendJson(reply.code(201), createdJson(reserved, hasSeveral))
}
