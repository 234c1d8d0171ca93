import { HttpRequest, isOfHttpRequest } from './http-request.ts'
import { readInlineWords } from './inline-words.ts'
import { ProtocolError } from './protocol-error.ts'
import { integerIn, Words } from './words.ts'

/** Bytes of all words of a command, and of an inline command. */
const MAX_BYTES = 64 * 1024

/** Words of a command. */
const MAX_WORDS = 1_024

/** Bytes of a line with a length, without its end. No valid one is as long. */
const MAX_LENGTH_BYTES = 32

const MIN_BUFFER_BYTES = 256
const NOTHING = Buffer.alloc(0)
const [STAR, DOLLAR, CR, LF] = [0x2a, 0x24, 0x0d, 0x0a]

/** A word whose length is not known yet. */
const UNKNOWN = -1

/**
 * Reads commands from bytes that arrive in pieces of any size. It continues where it stopped, so it reads each byte once. What has arrived of
 * a command is kept in one buffer that grows by doubling.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export class CommandParser {
  readonly #words = new Words()
  #bytes: Buffer = NOTHING
  /** Whether the buffer is the parser's own, with room after the bytes. */
  #isOwn = false
  /** Where the command begins, where reading continues, and where the bytes end. */
  #start = 0
  #at = 0
  #end = 0
  #wordsLeft = 0
  #wordBytes = UNKNOWN
  #commandBytes = 0
  #readBytes = 0

  /** Memory of bytes that belong to no complete command yet, or to none that was read. */
  get heldBytes(): number {
    if (this.#start === this.#end) return 0
    return this.#bytes.length + (this.#wordsLeft > 0 ? this.#words.heldBytes : 0)
  }

  /** The bytes of the commands and empty lines that were read since the last call. */
  takeReadBytes(): number {
    const bytes = this.#readBytes
    this.#readBytes = 0
    return bytes
  }

  /** Adds bytes that have arrived. They are not copied before `settle`. */
  push(chunk: Buffer): void {
    if (this.#start === this.#end) this.#use(chunk)
    else if (this.#isOwn && this.#bytes.length - this.#end >= chunk.length) this.#append(chunk)
    else {
      this.#makeRoom(chunk.length)
      this.#append(chunk)
    }
  }

  /** Copies what is left if it keeps more than as much again in memory. The words of the last command are gone. */
  settle(): void {
    if (this.#wordsLeft === 0) this.#words.release()
    if (this.#start === this.#end) this.#use(NOTHING)
    else if (this.#bytes.length > this.#roomFor(0)) this.#makeRoom(0)
  }

  /** Discards what has arrived and was not read. No further bytes may follow. */
  clear(): void {
    this.#wordsLeft = 0
    this.#words.release()
    this.#use(NOTHING)
  }

  /**
   * The next complete command, which can have no words; `undefined` if there is none yet. Empty lines are skipped.
   * @throws {ProtocolError}
   */
  next(): Words | undefined {
    if (this.#wordsLeft === 0) {
      this.#skipEmptyLines()
      if (this.#at === this.#end) return undefined
      if (this.#bytes[this.#start] !== STAR) return this.#readInline()
      if (!this.#readCount()) return undefined
    }
    while (this.#wordsLeft > 0) if (!this.#readWord()) return undefined
    this.#completed()
    return this.#words
  }

  /** Unless a line has arrived in part. */
  #skipEmptyLines(): void {
    if (this.#at !== this.#start) return
    const [bytes, end] = [this.#bytes, this.#end]
    let at = this.#at
    for (;;) {
      if (at < end && bytes[at] === LF) at++
      else if (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) at += 2
      else break
    }
    this.#at = at
    this.#completed()
  }

  #readCount(): boolean {
    const count = this.#readLength('mbulk count', 'invalid multibulk length', MAX_WORDS)
    if (count === undefined) return false
    this.#words.begin(this.#bytes)
    this.#wordsLeft = Math.max(0, count)
    this.#commandBytes = 0
    return true
  }

  #readWord(): boolean {
    if (this.#wordBytes === UNKNOWN && !this.#readWordLength()) return false
    const end = this.#at + this.#wordBytes
    if (this.#end < end + 2) return false
    if (this.#bytes[end] !== CR || this.#bytes[end + 1] !== LF) {
      throw new ProtocolError(`expected CRLF after ${this.#wordBytes} bytes`)
    }
    this.#words.add(this.#at, end)
    this.#at = end + 2
    this.#wordBytes = UNKNOWN
    this.#wordsLeft--
    return true
  }

  #readWordLength(): boolean {
    if (this.#at === this.#end) return false
    const type = this.#bytes[this.#at] as number
    if (type !== DOLLAR) throw new ProtocolError(`expected '$', got '${String.fromCharCode(type)}'`)
    const length = this.#readLength('bulk count', 'invalid bulk length', MAX_BYTES)
    if (length === undefined) return false
    if (length < 0) throw new ProtocolError('invalid bulk length')
    this.#commandBytes += length
    if (this.#commandBytes > MAX_BYTES) {
      throw new ProtocolError(`a command of more than ${MAX_BYTES} bytes`)
    }
    this.#wordBytes = length
    return true
  }

  /** Reads a line with a length, after its type; `undefined` if it has not arrived completely. */
  #readLength(what: string, fault: string, max: number): number | undefined {
    const start = this.#at + 1
    const limit = Math.min(this.#end, start + MAX_LENGTH_BYTES)
    let lineEnd = start
    while (lineEnd < limit && this.#bytes[lineEnd] !== LF) lineEnd++
    if (lineEnd === limit) {
      if (limit < this.#end) throw new ProtocolError(`too big ${what} string`)
      return undefined
    }
    const length = this.#bytes[lineEnd - 1] === CR ? integerIn(this.#bytes, start, lineEnd - 1) : undefined
    if (length === undefined || length > max) throw new ProtocolError(fault)
    this.#at = lineEnd + 1
    return length
  }

  /** The words of a line, which can be none; `undefined` if it has not arrived completely. */
  #readInline(): Words | undefined {
    const found = this.#bytes.indexOf(LF, this.#at)
    const isComplete = found !== -1 && found < this.#end
    this.#at = isComplete ? found : this.#end
    if (this.#at - this.#start > MAX_BYTES) throw new ProtocolError('too big inline request')
    if (!isComplete) return undefined
    const line = Buffer.from(this.#bytes.subarray(this.#start, this.#at))
    this.#at++
    this.#completed()
    readInlineWords(line, this.#words, MAX_WORDS)
    if (this.#words.count > 0 && isOfHttpRequest(this.#words)) throw new HttpRequest()
    return this.#words
  }

  #completed(): void {
    this.#readBytes += this.#at - this.#start
    this.#start = this.#at
  }

  #use(chunk: Buffer): void {
    this.#bytes = chunk
    this.#isOwn = false
    this.#start = 0
    this.#at = 0
    this.#end = chunk.length
  }

  #append(chunk: Buffer): void {
    chunk.copy(this.#bytes, this.#end)
    this.#end += chunk.length
  }

  /** The size of a buffer for the bytes that are left. @param bytes how many more it must hold */
  #roomFor(bytes: number): number {
    const left = this.#end - this.#start
    return Math.max(MIN_BUFFER_BYTES, 2 * left, left + bytes)
  }

  /** Moves the bytes that are left into a buffer of the parser's own. @param bytes how many more it must hold */
  #makeRoom(bytes: number): void {
    const left = this.#end - this.#start
    const buffer = Buffer.allocUnsafeSlow(this.#roomFor(bytes))
    this.#bytes.copy(buffer, 0, this.#start, this.#end)
    if (this.#wordsLeft > 0) this.#words.moveTo(buffer, this.#start)
    this.#at -= this.#start
    this.#end = left
    this.#start = 0
    this.#bytes = buffer
    this.#isOwn = true
  }
}
