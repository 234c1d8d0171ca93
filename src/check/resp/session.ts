import type { Protocol } from './replies.ts'

let lastId = 0

/** What a connection has said about itself. */
export class Session {
  /** Unique in this process. */
  readonly id = ++lastId
  /** Of the client; `undefined` if it has disconnected already. */
  readonly address: string | undefined
  protocol: Protocol = 2
  /** As bytes; empty if the client has not named itself. */
  name = ''
  /** The name of the token with which the client has logged in. */
  actor: string | undefined

  constructor(address: string | undefined) {
    this.address = address
  }

  /** As it began. */
  reset(): void {
    this.protocol = 2
    this.name = ''
    this.actor = undefined
  }
}
