/** How long a client can open no connection after it has sent a flood, in ms. Otherwise it would send the next one at once. */
const BARRED_MS = 10_000

/** Clients that can open no connection for a while. Those that they have stay. */
export class BarredClients {
  /** When each is admitted again, by `performance.now()`; the first one first. */
  readonly #untilMs = new Map<string, number>()

  bar(client: string, nowMs: number): void {
    this.#untilMs.delete(client)
    this.#untilMs.set(client, nowMs + BARRED_MS)
  }

  has(client: string, nowMs: number): boolean {
    return (this.#untilMs.get(client) ?? nowMs) > nowMs
  }

  /** Forgets those that are admitted again. Call it a few times a second. */
  look(nowMs: number): void {
    for (const [client, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) return
      this.#untilMs.delete(client)
    }
  }
}
