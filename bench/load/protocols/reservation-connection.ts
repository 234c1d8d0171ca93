import type { Answered, Connection } from './connection.ts'
import { HttpConnection } from './http-connection.ts'
import { post } from './http-request.ts'

const LOCATION = /\r\nlocation: (\S+)/i

/** Settles each reservation that it makes: both requests count as one. */
export class ReservationConnection implements Connection {
  /** From when the latency of the reservation under way counts. */
  sentAt = 0
  readonly #http: HttpConnection
  readonly #answered: Answered
  readonly #cost: number
  /** Of the reservation that is to be settled. */
  #path: string | undefined

  /** @param cost tokens with which each reservation is settled */
  constructor(port: number, answered: Answered, cost: number) {
    this.#http = new HttpConnection(
      port,
      (_, status) => this.#continue(status),
      head => this.#reserved(head),
    )
    this.#answered = answered
    this.#cost = cost
  }

  send(request: Buffer, sentAt: number): void {
    this.sentAt = sentAt
    this.#http.send(request, sentAt)
  }

  close(): void {
    this.#http.close()
  }

  #reserved(head: string): void {
    this.#path = LOCATION.exec(head)?.[1]
  }

  #continue(status: number): void {
    const path = this.#path
    this.#path = undefined
    if (path === undefined) this.#answered(this, status)
    else this.#http.send(post(`${path}/settle`, { tokens: this.#cost }), this.sentAt)
  }
}
