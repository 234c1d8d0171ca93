import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Answer } from '../../support/client.ts'

interface RawRequest {
  readonly method?: string
  /** Sent unchanged: neither normalized nor encoded. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent with a `content-length`, unless the headers have a `transfer-encoding`. */
  readonly body?: string | Buffer
}

/** A request that `fetch` would refuse or repair, on a connection of its own. */
export async function rawRequest(
  port: number,
  { method = 'GET', path, headers = {}, body = '' }: RawRequest,
): Promise<Answer> {
  const length = { 'content-length': String(Buffer.byteLength(body)) }
  const isMeasured = body.length > 0 && headers['transfer-encoding'] === undefined
  const sent = request({
    host: '127.0.0.1',
    port,
    method,
    path,
    agent: false,
    headers: { ...(isMeasured && length), ...headers },
  })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const text = (await buffer(response)).toString()
  const fields = new Headers(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
  const isJson = /[/+]json\b/.test(fields.get('content-type') ?? '') && text !== ''
  return { status: response.statusCode ?? 0, headers: fields, text, body: isJson ? JSON.parse(text) : undefined }
}

/** `POST /check` with these bytes as its body. */
export function postCheck(
  port: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return rawRequest(port, {
    method: 'POST',
    path: '/check',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
}

/** Sends bytes, and resolves with everything received until the service closes the connection. */
export async function exchange(port: number, ...bytes: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  for (const part of bytes) socket.write(part)
  const answer = await buffer(socket)
  socket.destroy()
  return answer.toString()
}

/** The statuses of all responses in what a connection has received. */
export function statusesIn(received: string): readonly number[] | undefined {
  return received.match(/HTTP\/1\.1 [0-9]+ /g)?.map(line => Number(line.slice(9)))
}
