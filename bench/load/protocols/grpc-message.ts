/** Writes protobuf messages. @see https://protobuf.dev/programming-guides/encoding/ */

const VARINT = 0
const BYTES = 2

export function integerField(number: number, value: number): Buffer {
  return Buffer.concat([varint((number << 3) | VARINT), varint(value)])
}

export function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  return Buffer.concat([varint((number << 3) | BYTES), varint(bytes.length), bytes])
}

/** As gRPC sends it: not compressed, and with its length. */
export function grpcMessage(...fields: readonly Buffer[]): Buffer {
  const message = Buffer.concat(fields)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) + 128)
  }
}
