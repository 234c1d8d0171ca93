/** Sends requests until it is stopped. */
export interface Loop {
  /** Sends no more. Resolves when everything that was sent is answered. */
  stop(): Promise<void>
}
