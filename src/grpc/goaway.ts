/** How long clients may still open calls after they were told to use another connection, in ms. */
export const GOAWAY_MS = 500

/**
 * A GOAWAY frame with the largest id of a stream: calls that cross it are answered. It is written past the session, which would take no
 * new calls once it has sent a GOAWAY of its own. The session writes whole frames, so this one is between two of them.
 * @see https://www.rfc-editor.org/rfc/rfc9113#section-6.8
 */
export const GOAWAY = Buffer.from('000008' + '07' + '00' + '00000000' + '7fffffff' + '00000000', 'hex')
