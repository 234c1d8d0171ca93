import { STATUS_CODES } from 'node:http'
import { Problem } from '../lib/errors.ts'
import { httpDate } from '../lib/http-date.ts'
import type { Reply } from './reply.ts'

interface PlainReplyOptions {
  readonly requestId: string
  /** Sends the answer. Called once. */
  readonly write: (answer: string) => void
  /** The fields that say whether the connection stays open, each with its CRLF. */
  readonly connectionFields: () => string
  readonly sendProblem: (problem: Problem) => void
}

/** The reply to a plain request, with the fields that Fastify and Node write. */
export class PlainReply implements Reply {
  readonly #options: PlainReplyOptions
  #status = 200
  /** Names and values in turn. */
  readonly #fields: string[]

  constructor(options: PlainReplyOptions) {
    this.#options = options
    this.#fields = ['x-request-id', options.requestId, 'cache-control', 'no-store']
  }

  code(status: number): this {
    this.#status = status
    return this
  }

  /** Replaces an earlier value. */
  header(name: string, value: string): this {
    const fields = this.#fields
    let index = 0
    while (index < fields.length && fields[index] !== name) index += 2
    fields[index] = name
    fields[index + 1] = value
    return this
  }

  headers(fields: Readonly<Record<string, string>>): this {
    for (const [name, value] of Object.entries(fields)) this.header(name, value)
    return this
  }

  send(payload: string | Problem): this {
    if (payload instanceof Problem) this.#options.sendProblem(payload)
    else this.#options.write(this.#head(payload) + payload)
    return this
  }

  #head(body: string): string {
    const fields = this.#fields
    let head = `HTTP/1.1 ${this.#status} ${STATUS_CODES[this.#status]}\r\n`
    for (let index = 0; index < fields.length; index += 2) head += `${fields[index]}: ${fields[index + 1]}\r\n`
    return `${head}content-length: ${Buffer.byteLength(body)}\r\nDate: ${httpDate()}\r\n${this.#options.connectionFields()}\r\n`
  }
}
