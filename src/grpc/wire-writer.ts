const VARINT = 0
const BYTES = 2

/** Writes a protobuf message, field by field. Zero values are left out, as proto3 does. */
export class WireWriter {
  readonly #parts: Buffer[] = []
  #length = 0

  /** A `uint32`, an enum, or an `int64` from 0 to 2^53 − 1. */
  number(field: number, value: number): this {
    if (value === 0) return this
    return this.#add(varint(field * 8 + VARINT), varint(value))
  }

  string(field: number, text: string): this {
    return text === '' ? this : this.#bytes(field, Buffer.from(text))
  }

  /** An embedded message, also if it is empty: it is present. */
  message(field: number, message: WireWriter): this {
    return this.#bytes(field, message.finish())
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts, this.#length)
  }

  #bytes(field: number, bytes: Buffer): this {
    return this.#add(varint(field * 8 + BYTES), varint(bytes.length), bytes)
  }

  #add(...parts: readonly Buffer[]): this {
    for (const part of parts) this.#length += part.length
    this.#parts.push(...parts)
    return this
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}
