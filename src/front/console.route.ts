import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import { nothingAt } from '../http/methods.ts'
import { ResponseTurns } from '../http/response-turns.ts'
import { ConsoleFiles } from './console-files.ts'

const BASE_PATH = '/console'

/** Nothing but the service's own files and calls; no inline script or style. */
const PAGE_FIELDS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** The name of a file contains a hash of its content. Only those who may read the console may keep it. */
const FOREVER = 'private, max-age=31536000, immutable'

export interface ConsoleRouteOptions {
  /** Aborts when the process is about to close: what waits for long then is refused. */
  readonly closing: AbortSignal
}

/** `GET /console`: the page for operators. All that it shows comes from the HTTP API. `GET /` leads there. */
export const consoleRoute: FastifyPluginAsync<ConsoleRouteOptions> = async (app, { closing }) => {
  const files = new ConsoleFiles()
  const turns = new ResponseTurns(closing)
  const options = {
    config: { access: 'admin', asksForPassword: true },
    schema: { hide: true, querystring: {} },
  } as const

  app.get('/', { schema: { hide: true } }, (request, reply) => {
    // The router takes this target, which has no path, for the root.
    if (request.url === '*') throw nothingAt(request)
    return reply.redirect(BASE_PATH)
  })

  app.get(BASE_PATH, options, async (request, reply) => {
    await turns.next(request)
    return withPageFields(reply.type('text/html; charset=utf-8')).send(files.pageFor(request))
  })

  app.get<{ Params: { '*': string } }>(`${BASE_PATH}/*`, options, async (request, reply) => {
    if (request.params['*'] === '') return reply.redirect(BASE_PATH)
    await turns.next(request)
    const file = files.find(request.params['*'])
    if (file === undefined) throw nothingAt(request)
    withPageFields(reply.type(file.mediaType)).header('cache-control', FOREVER).header('vary', 'accept-encoding')
    const accepted = request.headers['accept-encoding'] ?? ''
    return /\bgzip\b/.test(String(accepted))
      ? reply.header('content-encoding', 'gzip').send(file.compressed)
      : reply.send(file.bytes)
  })
}

function withPageFields(reply: FastifyReply): FastifyReply {
  return reply.headers(PAGE_FIELDS)
}
