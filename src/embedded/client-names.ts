import type { InProcessConnection } from './in-process-connection.ts'

/** The names that the store's clients have set for themselves. */
export class ClientNames {
  readonly #store: InProcessConnection
  /** By file descriptor; descriptors are never reused. */
  #names = new Map<number, string>()

  constructor(store: InProcessConnection) {
    this.#store = store
  }

  /** Empty until the client has set its name. */
  nameOf(fd: number): string {
    if (!this.#names.get(fd)) this.#names = parse(String(this.#store.call('CLIENT', 'LIST')))
    return this.#names.get(fd) ?? ''
  }
}

/** @see https://valkey.io/commands/client-list/ */
function parse(list: string): Map<number, string> {
  const clients = list.matchAll(/ fd=(\d+) name=(\S*)/g)
  return new Map(Array.from(clients, ([, fd, name]) => [Number(fd), name ?? '']))
}
