/** What a client sent is not RESP. It is unknown where the next command begins, so the connection ends. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}
