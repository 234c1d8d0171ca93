/** The clients that were added lately. */
export class RecentClients {
  readonly #forMs: number
  /** When each is forgotten; the first one first. */
  readonly #untilMs = new Map<string, number>()

  /** @param forMs how long a client counts as recent after it was added the last time, in ms */
  constructor(forMs: number) {
    this.#forMs = forMs
  }

  add(client: string, nowMs: number): void {
    this.#untilMs.delete(client)
    this.#untilMs.set(client, nowMs + this.#forMs)
  }

  has(client: string, nowMs: number): boolean {
    return (this.#untilMs.get(client) ?? nowMs) > nowMs
  }

  /** Drops the clients that are no longer recent. Call it often enough that few pile up. */
  forget(nowMs: number): void {
    for (const [client, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) return
      this.#untilMs.delete(client)
    }
  }
}
