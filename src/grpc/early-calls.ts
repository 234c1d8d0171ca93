/** In ms. */
const WINDOW_MS = 10_000

/** Bytes of one client and of all in that time: Envoy opens up to a thousand calls as it connects, and handling a megabyte takes 80 ms. */
const MAX_BYTES = 512 * 1024
const MAX_BYTES_OF_ALL = 8 * 1024 * 1024

/**
 * What clients send in calls that they open before they know how many they may. It does not differ from other frames, so it has a bound of
 * its own.
 */
export class EarlyCalls {
  readonly #bytes = new Map<string, number>()
  #bytesOfAll = 0
  #sinceMs = Number.NEGATIVE_INFINITY

  /** Counts what a client has sent. Returns whether that is no flood. */
  allow(client: string, bytes: number, nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= WINDOW_MS) this.#begin(nowMs)
    const ofClient = (this.#bytes.get(client) ?? 0) + bytes
    if (ofClient > MAX_BYTES || this.#bytesOfAll + bytes > MAX_BYTES_OF_ALL) return false
    this.#bytes.set(client, ofClient)
    this.#bytesOfAll += bytes
    return true
  }

  #begin(nowMs: number): void {
    this.#bytes.clear()
    this.#bytesOfAll = 0
    this.#sinceMs = nowMs
  }
}
