import type { Reply } from './reply.ts'

/** Longer text is sent as bytes: while its client does not read, it would be in memory twice, as text and as bytes. */
const MAX_TEXT = 64 * 1024

/** Sends pre-serialized JSON. Without the type, Fastify would send a string as plain text. */
export function sendJson<R extends Reply>(reply: R, json: string): R {
  const body = json.length > MAX_TEXT ? Buffer.from(json) : json
  reply.header('content-type', 'application/json; charset=utf-8').send(body)
  return reply
}
