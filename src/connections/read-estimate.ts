/** The estimate for a connection that has not been read yet, in requests. */
export const FIRST_EXPECTED = 4

/**
 * The next read is expected to have at least this part of the requests of the last one: some connections have much to read only now and
 * then.
 */
export const EXPECTED_AGAIN = 3 / 4

/** A connection with a lower estimate is idle: it had nothing to read many times in a row. */
const IDLE_BELOW = 1 / 256

/** The charge for a connection that had nothing to read, so that clients with such connections take turns too. */
const NOTHING_READ = 1 / 128

/** The requests of one read of a connection: an estimate, which is paid in advance, until they are known. */
export class ReadEstimate {
  #expected = FIRST_EXPECTED
  #read = 0
  #paid = 0
  /** Reads that were paid for. */
  #reads = 0

  /** Whether it had nothing to read many times in a row. */
  get isIdle(): boolean {
    return this.#expected < IDLE_BELOW
  }

  /** Whether nothing is known of the connection. */
  get isNew(): boolean {
    return this.#reads === 0 && this.#read === 0
  }

  /** The requests of the first read, as far as they are known. 0 in a later read. */
  get firstRead(): number {
    return this.#reads <= 1 ? this.#read : 0
  }

  /** The connection will be read. Returns what is to be paid in advance. */
  begin(): number {
    this.#reads++
    this.#read = 0
    this.#paid = Math.max(NOTHING_READ, this.#expected)
    this.#expected *= EXPECTED_AGAIN
    return this.#paid
  }

  /** Requests were read. Returns what is to be paid now. */
  add(requests: number): number {
    this.#read += requests
    this.#expected = Math.max(this.#expected, this.#read)
    const paidBefore = Math.min(this.#paid, requests)
    this.#paid -= paidBefore
    return requests - paidBefore
  }

  /** The read has begun, or there was nothing to read. Returns what was paid too much. */
  settle(): number {
    const rest = this.#paid
    this.#paid = 0
    return this.#read === 0 && rest > 0 ? rest - NOTHING_READ : rest
  }
}
