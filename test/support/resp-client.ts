import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A reply as a test reads it: an error as a string that begins with `-`, a map as an object. */
export type Reply = string | number | null | Reply[] | { [name: string]: Reply }

/** A command as clients send it. @param words as bytes, or as texts in UTF-8 */
export function frameOf(...words: readonly (string | Buffer)[]): Buffer {
  const parts = words.map(word => Buffer.from(word as string)).flatMap(word => [`$${word.length}\r\n`, word, '\r\n'])
  return Buffer.concat([`*${words.length}\r\n`, ...parts].map(part => Buffer.from(part as string)))
}

/** A client that sends any bytes, and reads replies of RESP2 and RESP3. */
export class RespClient {
  readonly socket: Socket
  /** Resolves when the connection is closed. */
  readonly closed: Promise<unknown>
  readonly #replies: Reply[] = []
  #unread = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
    this.closed = new Promise(resolve => socket.once('close', resolve))
    socket.on('error', () => undefined)
    socket.on('data', chunk => {
      this.#unread = Buffer.concat([this.#unread, chunk])
      this.#read()
      socket.emit('replies')
    })
  }

  static async connect(port: number): Promise<RespClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const client = new RespClient(socket)
    await once(socket, 'connect')
    return client
  }

  /** The replies that nobody has taken. */
  get replies(): readonly Reply[] {
    return this.#replies
  }

  send(...words: readonly (string | Buffer)[]): void {
    this.socket.write(frameOf(...words))
  }

  /** Sends a command, and resolves with its reply. */
  async ask(...words: readonly (string | Buffer)[]): Promise<Reply> {
    this.send(...words)
    const [reply = null] = await this.take(1)
    return reply
  }

  /** Sends these bytes, and resolves with so many replies. */
  async write(bytes: string | Buffer, replies: number): Promise<Reply[]> {
    this.socket.write(bytes)
    return this.take(replies)
  }

  /** The next replies. Rejects if the connection closes before they have come. */
  async take(count: number): Promise<Reply[]> {
    while (this.#replies.length < count) {
      if (this.socket.destroyed) throw new Error(`closed after ${this.#replies.length} of ${count} replies`)
      await Promise.race([new Promise(resolve => this.socket.once('replies', resolve)), this.closed])
    }
    return this.#replies.splice(0, count)
  }

  end(): void {
    this.socket.destroy()
  }

  #read(): void {
    for (;;) {
      const found = replyIn(this.#unread, 0)
      if (found === undefined) return
      this.#replies.push(found.reply)
      this.#unread = this.#unread.subarray(found.end)
    }
  }
}

interface Found {
  readonly reply: Reply
  readonly end: number
}

function replyIn(bytes: Buffer, start: number): Found | undefined {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd === -1) return undefined
  const type = String.fromCharCode(bytes[start] ?? 0)
  const line = bytes.toString('utf8', start + 1, lineEnd)
  const end = lineEnd + 2
  switch (type) {
    case '+':
      return { reply: line, end }
    case '-':
      return { reply: `-${line}`, end }
    case ':':
      return { reply: Number(line), end }
    case '_':
      return { reply: null, end }
    case '$':
      return bulkIn(bytes, Number(line), end)
    case '*':
    case '%':
    case '~':
      return listIn(bytes, type, Number(line), end)
    default:
      throw new Error(`no reply: ${bytes.toString('latin1', start, start + 40)}`)
  }
}

function bulkIn(bytes: Buffer, length: number, start: number): Found | undefined {
  if (length === -1) return { reply: null, end: start }
  if (bytes.length < start + length + 2) return undefined
  return { reply: bytes.toString('utf8', start, start + length), end: start + length + 2 }
}

function listIn(bytes: Buffer, type: string, count: number, start: number): Found | undefined {
  const items: Reply[] = []
  let end = start
  for (let i = 0; i < (type === '%' ? 2 * count : count); i++) {
    const item = replyIn(bytes, end)
    if (item === undefined) return undefined
    items.push(item.reply)
    end = item.end
  }
  if (type !== '%') return { reply: items, end }
  const entries = Array.from({ length: count }, (_, i) => [String(items[2 * i]), items[2 * i + 1] ?? null] as const)
  return { reply: Object.fromEntries(entries), end }
}
