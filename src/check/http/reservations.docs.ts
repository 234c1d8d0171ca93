import { Type } from '@sinclair/typebox'
import type { RouteDocs } from '../../http/route-docs.ts'
import { GROUP_DOCS } from './group.route.ts'
import {
  CreatedResponse,
  ExtendedResponse,
  ReservationDenialResponse,
  ReservationResponse,
  SettledResponse,
} from './reservation.schema.ts'

/** The parts of the OpenAPI description of `/reservations` that schemas do not contain. */
const changeErrors = ['reservation-not-found', 'reservation-ended', 'store-unavailable'] as const

export const CREATE_DOCS: RouteDocs = {
  summary: 'Reserve tokens',
  description:
    'Holds tokens for work whose cost is known only afterwards. Decides like `POST /check`, or with `checks` like `POST /check/all`. ' +
    'What is held is not available to others, and does not refill, until the reservation is settled or expires.',
  errors: [...GROUP_DOCS.errors, 'too-many-reservations', 'idempotency-key-reused'],
  denial: ReservationDenialResponse,
  fields: { 201: ['location', 'ratelimit', 'ratelimit-policy'] },
  responses: { 201: CreatedResponse },
}

export const SETTLE_DOCS: RouteDocs = {
  summary: 'Settle a reservation',
  description:
    'Charges what the work cost, and gives back the rest of what was held, in one step. A cost above what was reserved is charged too. ' +
    'Repeating it with the same amounts charges nothing twice. The first settlement within ten minutes after the expiry still counts.',
  errors: ['key-invalid', 'key-reserved', ...changeErrors],
  fields: { 200: ['ratelimit', 'ratelimit-policy'] },
  responses: { 200: SettledResponse },
}

export const EXTEND_DOCS: RouteDocs = {
  summary: 'Extend a reservation',
  description: 'Moves the expiry of a reservation that has not ended. The new time counts from now.',
  errors: changeErrors,
  responses: { 200: ExtendedResponse },
}

export const READ_DOCS: RouteDocs = {
  summary: 'Get a reservation',
  description: 'Its state, until ten minutes after its end.',
  errors: ['reservation-not-found', 'store-unavailable'],
  responses: { 200: ReservationResponse },
}

export const RELEASE_DOCS: RouteDocs = {
  summary: 'Release a reservation',
  description: 'Gives back all that is held. After the expiry, it gives nothing back.',
  errors: changeErrors,
  responses: { 204: Type.Null() },
}
