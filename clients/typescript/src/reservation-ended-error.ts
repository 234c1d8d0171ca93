/** An earlier call has ended the reservation, or may have. The client says so without asking the service. */
export class ReservationEndedError extends Error {
  override readonly name = 'ReservationEndedError'
  readonly code = 'reservation-ended'
}
