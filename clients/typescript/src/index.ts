export { clientKey } from './client-key.ts'
export type { AllDecision, AllFallback, Check, CheckOptions, Decision, Fallback, LimitValues } from './decision.ts'
export type { OnFailure, ThrottlerOptions } from './options.ts'
export type {
  AllReservation,
  Charge,
  Reservation,
  ReservationOptions,
  ReserveOptions,
  SettledCharge,
  Settlement,
} from './reservation.ts'
export { ReservationEndedError } from './reservation-ended-error.ts'
export { type FieldError, type ProblemDocument, ServiceError } from './service-error.ts'
export { Throttler } from './throttler.ts'
