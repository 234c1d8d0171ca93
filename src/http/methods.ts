import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '../errors.ts'

/**
 * Answers requests that no route takes: OPTIONS with 204, a known path with 405, both with `Allow`, everything else with 404.
 * Routes must be added after it. Decided before a body is read, which may be of any kind here.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
 */
export function answerUnroutedRequests(app: FastifyInstance): void {
  const methodsByPath = new Map<string, Set<string>>()

  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsByPath.get(url) ?? new Set()
    for (const each of [method].flat()) methods.add(each)
    methodsByPath.set(url, methods)
  })

  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return answer(request, reply, allowedMethods(methodsByPath, request.url))
  })
}

function answer(request: FastifyRequest, reply: FastifyReply, allowed: readonly string[]): FastifyReply {
  if (allowed.length === 0) throw new Problem('not-found', `there is nothing at ${routePath(request.url)}`)
  const allow = [...allowed, 'OPTIONS'].join(', ')
  if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send()
  const detail = `${request.method} is not allowed here; ${allow} are`
  throw new Problem('method-not-allowed', detail, { headers: { allow } })
}

function allowedMethods(methodsByPath: ReadonlyMap<string, ReadonlySet<string>>, url: string): readonly string[] {
  const segments = routePath(url).split('/')
  for (const [pattern, methods] of methodsByPath) {
    if (matches(pattern.split('/'), segments)) return [...methods]
  }
  return []
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, i) => (part.startsWith(':') ? segments[i] !== '' : part === segments[i]))
  )
}

function routePath(url: string): string {
  return url.split('?', 1)[0] ?? ''
}
