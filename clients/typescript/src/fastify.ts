import { denialOf } from './denial.ts'
import { checkThrottleOptions, judge, type ThrottleOptions } from './middleware.ts'
import { rateLimitFields } from './rate-limit-fields.ts'
import { type ClosingResponse, settleByResponse } from './settle-by-response.ts'

export type { ThrottleOptions } from './middleware.ts'

/** Options of `register` that are Fastify's own. */
const REGISTER_OPTIONS = ['prefix', 'logLevel', 'logSerializers']

/** What every request of Fastify has. */
export interface ThrottledRequest {
  readonly id: string
  readonly ip: string
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly params: unknown
  readonly query: unknown
}

/** What is used of Fastify's reply. */
export interface ThrottledReply {
  readonly raw: ClosingResponse
  code(status: number): unknown
  headers(fields: Record<string, string>): unknown
  send(body?: unknown): unknown
}

/** What is used of a Fastify instance. */
export interface ThrottledApp<Request, Reply> {
  addHook(name: 'onRequest', hook: (request: Request, reply: Reply) => Promise<unknown>): unknown
}

export interface ThrottlePlugin {
  /** For functions that take more of a request or a reply: `throttle<FastifyRequest, FastifyReply>`. */
  <Request extends object, Reply extends ThrottledReply>(
    app: ThrottledApp<Request, Reply>,
    options: ThrottleOptions<Request, Reply>,
  ): Promise<void>
  /** The last signature is the one that `register` infers the type of the options from. */
  (
    app: ThrottledApp<ThrottledRequest, ThrottledReply>,
    options: ThrottleOptions<ThrottledRequest, ThrottledReply>,
  ): Promise<void>
}

/**
 * A plugin that limits the requests to all routes of the instance that registers it.
 * @throws {TypeError} if an option is missing, unknown or invalid; the message names it
 */
export const throttle: ThrottlePlugin = Object.assign(addHooks, {
  // Without this, Fastify would limit only the routes of the plugin itself, of which there are none.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'throttler-client',
})

async function addHooks<Request extends object, Reply extends ThrottledReply>(
  app: ThrottledApp<Request, Reply>,
  options: ThrottleOptions<Request, Reply>,
): Promise<void> {
  checkThrottleOptions(options, REGISTER_OPTIONS)
  app.addHook('onRequest', async (request, reply) => {
    const verdict = await judge(options, request)
    if (verdict === undefined) return undefined
    const { decision, reservation } = verdict
    if (!decision.allowed) return deny(options, request, reply, decision)
    reply.headers(rateLimitFields(decision))
    if (reservation !== undefined) settleByResponse(reply.raw, reservation)
    return undefined
  })
}

async function deny<Request, Reply extends ThrottledReply>(
  options: ThrottleOptions<Request, Reply>,
  request: Request,
  reply: Reply,
  decision: Parameters<typeof denialOf>[0],
): Promise<Reply> {
  const { status, fields, problem } = denialOf(decision)
  reply.code(status)
  reply.headers(fields)
  if (options.onDenied === undefined) reply.send(problem)
  else await options.onDenied(request, reply, decision)
  return reply
}
