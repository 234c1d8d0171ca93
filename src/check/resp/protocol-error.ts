/** What a client sent is no RESP. Nobody can tell where its next command begins, so the connection ends. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}
