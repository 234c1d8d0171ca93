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
  /** Logs a call that the store answers slowly, as for checks. @param startMs by `performance.now()` */
  const answered = (request: FastifyRequest, startMs: number) => log.checked(request, performance.now() - startMs)

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
      const startMs = performance.now()
      const reserved = await reservations.reserve(requested)
      answered(request, startMs)
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
      const startMs = performance.now()
      const settled = await reservations.settle(request.params.id, amountsOf(request.body), request)
      answered(request, startMs)
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
      const startMs = performance.now()
      const expiresAtMs = await reservations.extend(id, request.body.ttlMs, request)
      answered(request, startMs)
      return sendJson(reply, JSON.stringify({ id, expiresAt: timeOf(expiresAtMs) }))
    },
  )

  app.get(
    PATH,
    { config: { access: 'check', onlyReads: true, docs: READ_DOCS }, schema: { params: ReservationParams } },
    async (request, reply) => {
      const startMs = performance.now()
      const reservation = await reservations.read(request.params.id)
      answered(request, startMs)
      return sendJson(reply, JSON.stringify(reservationBody(reservation)))
    },
  )

  app.delete(
    PATH,
    { config: { access: 'check', docs: RELEASE_DOCS }, schema: { params: ReservationParams } },
    async (request, reply) => {
      const startMs = performance.now()
      await reservations.release(request.params.id, request)
      answered(request, startMs)
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
