type Refuse = () => void

/**
 * The memory of all unfinished requests. Over budget, the client that holds the most gives way, with its oldest request: a
 * well-behaved client has sent its own long before.
 */
export class HeldBytes {
  readonly #maxBytes: number
  readonly #byClient = new Map<string, { bytes: number; readonly requests: Map<Refuse, number> }>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Records what a request holds.
   * @param refuse ends the request, which then holds nothing
   */
  hold(client: string, refuse: Refuse, bytes: number): void {
    this.#set(client, refuse, bytes)
    while (this.#bytes > this.#maxBytes) this.#refuseOldest()
  }

  /** A request has ended. */
  release(client: string, refuse: Refuse): void {
    this.#set(client, refuse, 0)
  }

  #set(client: string, refuse: Refuse, bytes: number): void {
    const held = this.#byClient.get(client) ?? { bytes: 0, requests: new Map<Refuse, number>() }
    const added = bytes - (held.requests.get(refuse) ?? 0)
    held.bytes += added
    this.#bytes += added
    if (bytes === 0) held.requests.delete(refuse)
    else held.requests.set(refuse, bytes)
    if (held.requests.size === 0) this.#byClient.delete(client)
    else this.#byClient.set(client, held)
  }

  #refuseOldest(): void {
    let [client, most] = ['', 0]
    for (const [name, { bytes }] of this.#byClient) if (bytes > most) [client, most] = [name, bytes]
    for (const refuse of this.#byClient.get(client)?.requests.keys() ?? []) {
      this.release(client, refuse)
      refuse()
      return
    }
  }
}
