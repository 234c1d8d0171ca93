import type { FastifyReply, FastifyRequest } from 'fastify'
import { fail } from '../../http/problem.ts'
import type { RequestLog } from '../../http/request-log.ts'
import { Problem } from '../../lib/errors.ts'
import type { OnAnswer } from '../answering.ts'

interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly log: RequestLog
}

/** Sends the answer to a call that begins now, or its problem. Logs a call that the store answers slowly, as for checks. */
export function sendAnswer<Answer>(
  { request, reply, log }: Exchange,
  send: (answer: Answer) => unknown,
): OnAnswer<Answer> {
  const startMs = performance.now()
  return answer => {
    if (answer instanceof Problem) {
      fail(reply, answer)
      return
    }
    log.checked(request, performance.now() - startMs)
    send(answer)
  }
}
