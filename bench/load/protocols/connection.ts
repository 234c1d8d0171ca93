/** Has one request under way at a time. */
export interface Connection {
  /** From when the latency of the request under way counts. */
  readonly sentAt: number
  send(request: Buffer, sentAt: number): void
  close(): void
}

/** Called when a request is answered. Other protocols' answers have the HTTP status that says the same. */
export type Answered = (connection: Connection, status: number) => void

/** Opens the connection with this index. */
export type OpenOne = (answered: Answered, index: number) => Connection
export type Open = (port: number, ...args: Parameters<OpenOne>) => Connection
