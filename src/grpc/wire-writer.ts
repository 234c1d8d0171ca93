const VARINT = 0
const BYTES = 2

/** Bytes of the longest number, 2^53 − 1. */
const MAX_VARINT_BYTES = 8

/** Of a UTF-16 unit in UTF-8. */
const MAX_BYTES_PER_CHARACTER = 3

/** Writes a protobuf message, field by field. Zero values are left out, as proto3 does. */
export class WireWriter {
  #bytes: Buffer
  #length = 0

  /** @param expectedBytes of the message; a longer one is copied while it grows */
  constructor(expectedBytes = 64) {
    this.#bytes = Buffer.allocUnsafe(expectedBytes)
  }

  /** A `uint32`, an enum, or an `int64` from 0 to 2^53 − 1. */
  number(field: number, value: number): this {
    if (value === 0) return this
    this.#reserve(2 * MAX_VARINT_BYTES)
    this.#varint(field * 8 + VARINT)
    this.#varint(value)
    return this
  }

  string(field: number, text: string): this {
    if (text === '') return this
    const start = this.begin(field)
    this.#reserve(MAX_BYTES_PER_CHARACTER * text.length)
    this.#length += this.#bytes.write(text, start)
    return this.end(start)
  }

  /** Begins an embedded message, whose fields follow until its `end`. Returns where they begin. */
  begin(field: number): number {
    this.#reserve(2 * MAX_VARINT_BYTES)
    this.#varint(field * 8 + BYTES)
    // For its length, which mostly takes one byte.
    this.#length++
    return this.#length
  }

  /** Ends the embedded message that began there. It is present even if it is empty. */
  end(start: number): this {
    const length = this.#length - start
    const from = start - 1 + varintBytes(length)
    if (from > start) {
      this.#reserve(MAX_VARINT_BYTES)
      this.#bytes.copyWithin(from, start, this.#length)
    }
    this.#length = start - 1
    this.#varint(length)
    this.#length = from + length
    return this
  }

  /** The message. It is part of a larger buffer. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #varint(value: number): void {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#length++] = (rest & 0x7f) | 0x80
    this.#bytes[this.#length++] = rest
  }

  #reserve(count: number): void {
    const length = this.#length + count
    if (length <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, length))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

function varintBytes(value: number): number {
  let count = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) count++
  return count
}
