import type { IncomingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import type { Status } from './status.ts'

/** What a method learns of a call besides its message. */
export interface Call {
  readonly metadata: IncomingHttpHeaders
  /** Calls over gRPC have no id. */
  readonly id?: undefined
  readonly socket: Socket
  /** The address of the caller; `undefined` if it has disconnected already. */
  readonly ip: string | undefined
  /** By `performance.now()`; Infinity if the caller waits for any time. */
  readonly deadlineMs: number
}

/** Where a method answers. */
export interface Responder {
  /** Sends one of several messages. */
  send(message: Buffer): void
  /** Sends the last message, and ends the call with the status OK. */
  finish(message: Buffer): void
  /** Ends the call with a status. */
  end(status: Status): void
  /** Calls back when the call has ended, for any reason. */
  onClosed(callback: () => void): void
}

/** A method of a service, whose requests have one message. */
export interface Method {
  /** In metrics. */
  readonly name: string
  /** Admits a call before its message is read, or returns the status with which it ends. Default: every call is admitted. */
  admit?(call: Call): Status | undefined | Promise<Status | undefined>
  /** The fields of a message and of the messages in it, for methods that do something for each of them. Default: they are few. */
  countFields?(message: Buffer): number
  answer(message: Buffer, responder: Responder, call: Call): void
}

/** Methods by their paths. */
export type Methods = ReadonlyMap<string, Method>

/** Counts calls. */
export interface GrpcObserver {
  /** @param method its name, or `unknown` */
  callAnswered(method: string, status: Status['name']): void
}
