/** How a field of a protobuf message is encoded. @see https://protobuf.dev/programming-guides/encoding/ */
const VARINT = 0
const FIXED_64 = 1
const BYTES = 2
const FIXED_32 = 5

const MAX_VARINT_BYTES = 10

/** The bytes of a number that hold its low 32 bits. They come first. */
const UINT32_BYTES = 5

/** Bytes that are not a protobuf message. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
}

/** Reads the fields of a protobuf message in their order, and those of the messages in it. */
export class WireReader {
  /** The number of the present field. */
  field = 0
  readonly #bytes: Buffer
  /** One character for each byte. */
  #text: string | undefined
  /** Of the message that is being read: the whole one, or one in it. */
  #end: number
  #at = 0
  #wireType = VARINT

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#end = bytes.length
  }

  /** Goes to the next field; `false` if there is none. The value of the present one has been read or skipped. */
  next(): boolean {
    if (this.#at >= this.#end) return false
    const tag = this.#uint32()
    this.field = tag >>> 3
    this.#wireType = tag & 7
    if (this.field === 0) throw new MalformedMessage('a field has the number 0')
    return true
  }

  /** A `uint32` or an enum: the low 32 bits of what was sent. */
  uint32(): number {
    this.#expect(VARINT)
    return this.#uint32()
  }

  /** A `uint64`. It is not exact above 2^53. */
  uint64(): number {
    this.#expect(VARINT)
    return this.#varint()
  }

  bool(): boolean {
    return this.uint64() !== 0
  }

  bytes(): Buffer {
    const length = this.#length()
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** The bytes as a text with one character for each of them. Much cheaper than `bytes` for those that are short. */
  latin1(): string {
    const length = this.#length()
    this.#text ??= this.#bytes.toString('latin1')
    this.#at += length
    return this.#text.slice(this.#at - length, this.#at)
  }

  /** An embedded message. @param read reads its fields, to the last one */
  message<T>(read: (reader: this) => T): T {
    const length = this.#length()
    const outerEnd = this.#end
    this.#end = this.#at + length
    const message = read(this)
    this.#end = outerEnd
    return message
  }

  skip(): void {
    if (this.#wireType === VARINT) this.#varint()
    else if (this.#wireType === FIXED_64) this.#advance(8)
    else if (this.#wireType === BYTES) this.#advance(this.#length())
    else if (this.#wireType === FIXED_32) this.#advance(4)
    else throw new MalformedMessage(`the field ${this.field} has the unknown wire type ${this.#wireType}`)
  }

  #length(): number {
    this.#expect(BYTES)
    const length = this.#varint()
    if (length > this.#end - this.#at) throw new MalformedMessage(`the field ${this.field} is longer than its message`)
    return length
  }

  #advance(count: number): void {
    this.#at += count
    if (this.#at > this.#end) throw new MalformedMessage(`the field ${this.field} is longer than its message`)
  }

  #expect(wireType: number): void {
    if (this.#wireType === wireType) return
    throw new MalformedMessage(`the field ${this.field} has the wire type ${this.#wireType}; ${wireType} is expected`)
  }

  #uint32(): number {
    return this.#varint(UINT32_BYTES) >>> 0
  }

  /** @param bytesRead how many bytes are read; the rest of the number is skipped */
  #varint(bytesRead = MAX_VARINT_BYTES): number {
    let value = 0
    let factor = 1
    for (let i = 0; i < MAX_VARINT_BYTES && this.#at < this.#end; i++) {
      const byte = this.#bytes[this.#at++] as number
      if (i < bytesRead) value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      factor *= 128
    }
    throw new MalformedMessage('a number does not end')
  }
}
