import { setBounded } from '../lib/set-bounded.ts'

/** Failed logins of one client: a burst of this many, then one a second. */
export const FREE_FAILED_LOGINS = 50

/** When one more failed login is allowed after the burst at the latest, in ms. */
const REFILL_MS = 1_000

/** Clients that are remembered. Past this number, the oldest are forgotten, and the store is asked again. */
const MAX_CLIENTS = 10_000

interface Client {
  /** Failed logins whose count is under way. */
  counting: number
  /** Until when further ones are refused. */
  refusedUntilMs: number
}

/** Counts failed logins, and refuses those beyond the limit at once: a flood of them must cost little. */
export class FailedLogins {
  readonly #count: (client: string) => Promise<number>
  readonly #now: () => number
  readonly #clients = new Map<string, Client>()

  /**
   * @param count counts one in the store, and resolves with the time to wait in ms; 0 if it is allowed
   * @param now a monotonic clock, in ms
   */
  constructor(count: (client: string) => Promise<number>, now: () => number) {
    this.#count = count
    this.#now = now
  }

  /** Counts a failed login. Returns the time to wait in ms, at once if it is known; 0 if the login is allowed. */
  add(name: string): number | Promise<number> {
    const client = this.#clients.get(name) ?? this.#remember(name)
    const waitMs = client.refusedUntilMs - this.#now()
    if (waitMs > 0) return waitMs
    // Those under way use up the burst.
    if (client.counting >= FREE_FAILED_LOGINS) return REFILL_MS
    return this.#countInStore(name, client)
  }

  #remember(name: string): Client {
    const client = { counting: 0, refusedUntilMs: 0 }
    setBounded(this.#clients, name, client, MAX_CLIENTS)
    return client
  }

  async #countInStore(name: string, client: Client): Promise<number> {
    const sentAtMs = this.#now()
    client.counting++
    try {
      const waitMs = await this.#count(name)
      // The store counts from the start of its millisecond.
      if (waitMs > 0) client.refusedUntilMs = sentAtMs + Math.min(waitMs, REFILL_MS) - 1
      return waitMs
    } finally {
      client.counting--
    }
  }
}
