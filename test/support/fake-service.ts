import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FakeCall {
  readonly method: string | undefined
  readonly path: string
  readonly authorization: string | undefined
  readonly idempotencyKey: string | undefined
  /** Empty if the request has none. */
  readonly body: { readonly key: string; readonly tokens: number; readonly checks: readonly FakeCheck[] }
}

interface FakeCheck {
  readonly key: string
  readonly tokens: number
  readonly policy?: string
}

export type Answer = (call: FakeCall, response: ServerResponse, index: number) => unknown

/** A server that stands in for the service. It records every call, and answers as the test specifies. */
export class FakeService {
  readonly calls: FakeCall[] = []
  readonly #server

  /** @param answer returns the answer, or returns `undefined` and writes the response itself, now or later */
  constructor(answer: Answer = allowAll) {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const body = JSON.parse(Buffer.concat(chunks).toString() || '{}') as FakeCall['body']
      const { method, url: path = '', headers } = request
      const idempotencyKey = headers['idempotency-key'] as string | undefined
      const call = { method, path, authorization: headers.authorization, idempotencyKey, body }
      this.calls.push(call)
      const json = answer(call, response, this.calls.length - 1)
      if (json !== undefined) response.end(JSON.stringify(json))
    })
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The keys of each call. */
  get keys(): readonly (readonly string[])[] {
    return this.calls.map(({ body }) => checksOf(body).map(({ key }) => key))
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

export function allowAll({ body }: FakeCall): unknown {
  const results = checksOf(body).map(({ key }) => decision(key))
  return body.checks === undefined ? results[0] : { results }
}

export function decision(key: string, members: object = {}) {
  return {
    allowed: true,
    key,
    policy: 'default',
    policyVersion: 0,
    limit: 10,
    remaining: 9,
    retryAfterMs: 0,
    resetAfterMs: 1_500,
    source: 'redis' as const,
    ...members,
  }
}

export function problem(response: ServerResponse, status: number, code: string, members: object = {}): unknown {
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  return { type: `urn:throttler:error:${code}`, status, code, title: code, detail: 'a detail', ...members }
}

function checksOf(body: FakeCall['body']): readonly FakeCheck[] {
  return body.checks ?? [body]
}
