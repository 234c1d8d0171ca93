import type { FastifyReply } from 'fastify'

/** Answers with JSON that is written already; Fastify takes a text for plain text unless it is told. */
export function sendJson(reply: FastifyReply, json: string): FastifyReply {
  return reply.header('content-type', 'application/json; charset=utf-8').send(json)
}
