/** In ms. */
const WINDOW_MS = 10_000

/**
 * Bytes of one client and of all in that time. Envoy opens up to a thousand calls as it connects, of 300 bytes each, and several can have one
 * address. Handling a megabyte takes 80 ms.
 */
const MAX_BYTES = 1024 * 1024
const MAX_BYTES_OF_ALL = 8 * MAX_BYTES

/** Bytes of one client that are more than any Envoys send. */
const FLOOD_BYTES = 2 * MAX_BYTES

/**
 * What a connection counts that has opened and reset too many calls. They took from 10 to 40 ms, and a flood opens another connection at
 * once. So 16 of them may end.
 */
const BYTES_OF_RESETTING = MAX_BYTES / 8

/**
 * The same for a connection that had been open for a while. After a pause of a process, all connections of an Envoy may end so, and it has
 * one for each of its threads.
 */
const BYTES_OF_OLD_RESETTING = BYTES_OF_RESETTING / 6

/** A connection of this age, in ms, does not replace one that has just ended. */
const OLD_MS = 2_000

/**
 * What clients send in calls beyond those that they may open: before they know how many these are, or after calls that they have reset. It
 * does not differ from other frames, so it has a bound of its own.
 */
export class RefusedCalls {
  readonly #bytes = new Map<string, number>()
  #bytesOfAll = 0
  #sinceMs = Number.NEGATIVE_INFINITY

  /** Counts what a client has sent. Returns whether it fits, is too much for now, or is a flood. */
  count(client: string, bytes: number, nowMs: number): 'fits' | 'too-much' | 'flood' {
    if (nowMs - this.#sinceMs >= WINDOW_MS) this.#begin(nowMs)
    const ofClient = (this.#bytes.get(client) ?? 0) + bytes
    this.#bytes.set(client, ofClient)
    this.#bytesOfAll += bytes
    if (ofClient > FLOOD_BYTES) return 'flood'
    return ofClient > MAX_BYTES || this.#bytesOfAll > MAX_BYTES_OF_ALL ? 'too-much' : 'fits'
  }

  /** Counts a connection of this age that has opened and reset too many calls. Returns whether its client has sent a flood. */
  countResetting(client: string, ageMs: number, nowMs: number): boolean {
    return this.count(client, ageMs < OLD_MS ? BYTES_OF_RESETTING : BYTES_OF_OLD_RESETTING, nowMs) === 'flood'
  }

  #begin(nowMs: number): void {
    this.#bytes.clear()
    this.#bytesOfAll = 0
    this.#sinceMs = nowMs
  }
}
