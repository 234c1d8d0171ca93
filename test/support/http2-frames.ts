export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** Types of frames. */
export const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING] = [0, 1, 2, 3, 4, 6] as const

/** Flags of frames. */
export const [END_STREAM, ACK, END_HEADERS] = [1, 1, 4] as const

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** The head of a request, which the table of HPACK does not keep. */
export function requestHead(stream: number, method: string, path: string, flags = 0): Buffer {
  const fields = {
    ':method': method,
    ':scheme': 'http',
    ':path': path,
    ':authority': 'a',
    'content-type': 'application/grpc',
  }
  const literals = Object.entries(fields).map(([name, value]) =>
    Buffer.from([0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]),
  )
  return frame(HEADERS, END_HEADERS | flags, stream, Buffer.concat(literals))
}

/** A head of a request with fields of four bytes. If it has more than 128, node:http2 refuses it. */
export function headOf(stream: number, fields: number): Buffer {
  return frame(HEADERS, END_STREAM | END_HEADERS, stream, Buffer.from('00016100'.repeat(fields), 'hex'))
}

/** @param code of HTTP/2's errors */
export function resetOf(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  return frame(RST_STREAM, 0, stream, payload)
}
