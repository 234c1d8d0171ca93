import type { RequestListener, ServerResponse } from 'node:http'
import { afterEach } from '@jest/globals'
import { ServiceClient } from '../../src/cli/http/client.ts'
import { serviceUrl } from '../../src/cli/http/service-url.ts'
import { HttpServer } from './http-server.ts'

/** Secret: no message may contain its value. */
export const TOKEN = { value: 'the-secret-token-0123456789', source: 'THROTTLER_TOKEN' }

interface ClientOptions {
  /** Of the URL. */
  readonly path?: string
  readonly idleTimeoutMs?: number
}

/** Clients of a server that answers as a test specifies. The server ends with the test. */
export class AnsweringServer {
  #server: HttpServer | undefined

  constructor() {
    afterEach(async () => {
      await this.#server?.stop()
      this.#server = undefined
    })
  }

  get url(): string {
    return this.#server?.url ?? ''
  }

  async clientOf(listener: RequestListener, { path = '', ...options }: ClientOptions = {}): Promise<ServiceClient> {
    this.#server = await HttpServer.start(listener)
    return new ServiceClient({ url: serviceUrl(this.url + path), token: TOKEN, ...options })
  }
}

export function sendJson(response: ServerResponse, status: number, body: object, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** Answers every request with a problem. */
export function problem(status: number, code: string, detail: string, headers = {}): RequestListener {
  return (_, response) => sendJson(response, status, { code, detail, status }, headers)
}
