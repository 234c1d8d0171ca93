import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { OperatorError } from '../../lib/operator-error.ts'
import type { ServiceToken } from './token.ts'

const HTTP = { request: httpRequest, Agent: HttpAgent }
const HTTPS = { request: httpsRequest, Agent: HttpsAgent }

/** A service that neither sends nor takes anything for this long counts as unavailable, in ms. */
const IDLE_TIMEOUT_MS = 30_000

/** The service did not answer, or cannot answer now. The message names it and the reason. */
export class ServiceUnavailable extends OperatorError {}

interface ClientOptions {
  /** As `serviceUrl` returns it. */
  readonly url: URL
  readonly token?: ServiceToken | undefined
  /** In ms. */
  readonly idleTimeoutMs?: number
}

export interface ServiceRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Under the URL of the service. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | AsyncIterable<Buffer>
  /** The request changes nothing, also if its method is POST or PUT. */
  readonly isDryRun?: boolean
}

export function isChange({ method, isDryRun = false }: ServiceRequest): boolean {
  return method !== 'GET' && !isDryRun
}

/** Sends requests to the service. Follows no redirections, so the token goes nowhere else. */
export class ServiceClient {
  readonly #options: ClientOptions
  readonly #protocol: typeof HTTP | typeof HTTPS
  /**
   * Connections are kept for the next request, and while one is kept, a service that refuses a large body early still reads it.
   * Otherwise the answer could be lost with the connection.
   */
  readonly #agent: HttpAgent

  constructor(options: ClientOptions) {
    this.#options = options
    this.#protocol = options.url.protocol === 'https:' ? HTTPS : HTTP
    this.#agent = new this.#protocol.Agent({ keepAlive: true })
  }

  get url(): string {
    const { origin, pathname } = this.#options.url
    return `${origin}${pathname === '/' ? '' : pathname}`
  }

  get token(): ServiceToken | undefined {
    return this.#options.token
  }

  /** Resolves with the response once its head has arrived, with any status. @throws {ServiceUnavailable} */
  async send(asked: ServiceRequest): Promise<IncomingMessage> {
    const { method, path, headers = {}, body } = asked
    const { token, idleTimeoutMs = IDLE_TIMEOUT_MS } = this.#options
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      timeout: idleTimeoutMs,
      headers: { ...headers, ...(token && { authorization: `Bearer ${token.value}` }) },
    }
    const request = this.#protocol.request(`${this.url}${path}`, options)
    let isConnected = false
    request.on('socket', socket => {
      isConnected = !socket.connecting
      // A kept connection would gather listeners.
      if (socket.connecting) socket.once('connect', () => (isConnected = true))
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${idleTimeoutMs / 1000} s`)))
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      // Also after the response, since an upload may still fail.
      request.on('error', reject)
    })
    const source = typeof body === 'object' ? body : undefined
    // Node.js would encode the fields as it encodes a text.
    if (source === undefined) request.end(typeof body === 'string' ? Buffer.from(body) : undefined)
    try {
      return await (source === undefined ? response : Promise.race([response, uploaded(source, request, response)]))
    } catch (err) {
      if (err instanceof OperatorError) throw err
      const mayBeDone = isConnected && isChange(asked) ? `; ${UNCERTAIN}` : ''
      throw new ServiceUnavailable(`cannot reach ${this.url}: ${reasonOf(err)}${mayBeDone}`)
    }
  }
}

/** What a failure after the request was sent means for it. */
export const UNCERTAIN = 'the request may have taken effect'

/** A service may refuse a body before it has read all of it. Then the rest is not sent, and the answer counts. */
async function uploaded(
  source: AsyncIterable<Buffer>,
  request: ClientRequest,
  response: Promise<IncomingMessage>,
): Promise<IncomingMessage> {
  let isAnswered = false
  request.once('response', (answer: IncomingMessage) => {
    isAnswered = true
    // A service that does not read the rest would otherwise keep this process until it closes the connection.
    answer.once('end', () => request.destroy())
  })
  await pipeline(
    Readable.from(
      until(() => isAnswered, source),
      { objectMode: false },
    ),
    request,
  ).catch(err => {
    if (err instanceof OperatorError) throw err
  })
  return response
}

async function* until(isOver: () => boolean, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const part of source) {
    if (isOver()) return
    yield part
  }
}

/** Node.js leaves the message empty if it tried several addresses. */
export function reasonOf(err: unknown): string {
  const { message, code } = err as NodeJS.ErrnoException
  return message || code || 'the connection failed'
}
