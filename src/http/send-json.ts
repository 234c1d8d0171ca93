import type { FastifyReply } from 'fastify'

/** Longer text is sent as bytes: while its client does not read, it would be in memory twice, as text and as bytes. */
const MAX_TEXT = 64 * 1024

/** Sends pre-serialized JSON. Without the type, Fastify would send a string as plain text. */
export function sendJson(reply: FastifyReply, json: string): FastifyReply {
  const body = json.length > MAX_TEXT ? Buffer.from(json) : json
  return reply.header('content-type', 'application/json; charset=utf-8').send(body)
}
