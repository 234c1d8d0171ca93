import type { Socket } from 'node:net'

/** Connections whose clients have yet to show that they may stay. Each has the same time for that. */
export class Newcomers {
  readonly #limitMs: number
  /** When the time of each is over; the earliest first. */
  readonly #endMs = new Map<Socket, number>()

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  add(connection: Socket, nowMs: number): void {
    this.#endMs.set(connection, nowMs + this.#limitMs)
  }

  delete(connection: Socket): void {
    this.#endMs.delete(connection)
  }

  /** Those whose time is over, each once. */
  *takeLate(nowMs: number): Generator<Socket> {
    for (const [connection, endMs] of this.#endMs) {
      if (nowMs < endMs) return
      this.#endMs.delete(connection)
      yield connection
    }
  }
}
