import type { FastifyReply } from 'fastify'

/** Sends pre-serialized JSON. Without the type, Fastify would send a string as plain text. */
export function sendJson(reply: FastifyReply, json: string): FastifyReply {
  return reply.header('content-type', 'application/json; charset=utf-8').send(json)
}
