import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '../lib/errors.ts'

/** Methods that change nothing. */
export const READING_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD'])

interface Pattern {
  readonly text: string
  /** Split once: a request to a path that does not exist is compared with all patterns. */
  readonly segments: readonly string[]
  readonly methods: Set<string>
}

/** The methods of every path of the service, also for requests that the router refuses. */
export class RouteMap {
  readonly #patterns = new Map<string, Pattern>()

  add(text: string, methods: readonly string[]): void {
    const pattern = this.#patterns.get(text) ?? { text, segments: text.split('/'), methods: new Set() }
    for (const method of methods) pattern.methods.add(method)
    this.#patterns.set(text, pattern)
  }

  /** The methods of a path; empty if it does not exist. Those of a fixed path are its own, not those of a pattern that matches it too. */
  methodsAt(url: string): readonly string[] {
    return methodsOf(this.#matching(url))
  }

  /** The methods of all paths. */
  get methods(): readonly string[] {
    return methodsOf([...this.#patterns.values()])
  }

  /** Whether the path contains a key. */
  hasKey(url: string): boolean {
    return this.#matching(url).some(({ text }) => text.includes('/:key'))
  }

  #matching(url: string): readonly Pattern[] {
    const text = routePath(url)
    const fixed = this.#patterns.get(text)
    if (fixed !== undefined) return [fixed]
    const path = text.split('/')
    const matching: Pattern[] = []
    for (const pattern of this.#patterns.values()) if (matches(pattern.segments, path)) matching.push(pattern)
    return matching
  }
}

function methodsOf(patterns: readonly Pattern[]): readonly string[] {
  return [...new Set(patterns.flatMap(({ methods }) => [...methods]))]
}

/**
 * Answers a request without a route: OPTIONS with 204, a known path with 405, both with `Allow`, everything else with 404. Runs
 * before the body is read, which may be of any type here. `OPTIONS *` concerns the whole service.
 * @throws {Problem} `not-found`, `method-not-allowed`
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-9.3.7
 */
export function answerUnrouted(request: FastifyRequest, reply: FastifyReply, routes: RouteMap): void {
  const isAboutService = request.method === 'OPTIONS' && request.url === '*'
  answer(request, reply, isAboutService ? routes.methods : routes.methodsAt(request.url))
}

/**
 * Refuses a path that is not percent-encoded UTF-8. A method that the path does not support is refused first.
 * @throws {Problem} `key-invalid`, `not-found`, `method-not-allowed`
 */
export function answerUnreadablePath(request: FastifyRequest, reply: FastifyReply, routes: RouteMap): FastifyReply {
  const allowed = routes.methodsAt(request.url)
  if (!allowed.includes(request.method)) return answer(request, reply, allowed)
  if (!routes.hasKey(request.url)) throw nothingAt(request)
  const detail = `the key in the path ${routePath(request.url)} is not percent-encoded UTF-8, such as a%2Fb for a/b`
  throw new Problem('key-invalid', detail, { members: { errors: [{ path: '/params/key', message: detail }] } })
}

function answer(request: FastifyRequest, reply: FastifyReply, allowed: readonly string[]): FastifyReply {
  if (allowed.length === 0) throw nothingAt(request)
  const allow = [...allowed, 'OPTIONS'].join(', ')
  if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send()
  const detail = `${request.method} is not allowed here; ${allow} are`
  throw new Problem('method-not-allowed', detail, { headers: { allow } })
}

export function nothingAt({ url = '' }: Pick<IncomingMessage, 'url'>): Problem {
  return new Problem('not-found', `there is nothing at ${routePath(url)}`)
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === '*'
  const length = isOpen ? pattern.length - 1 : pattern.length
  if (isOpen ? path.length < length : path.length !== length) return false
  for (let i = 0; i < length; i++) if (pattern[i] !== path[i] && !pattern[i]?.startsWith(':')) return false
  return true
}

/** The path of a request target, which may be a whole URI (RFC 9112, section 3.2.2). */
export function routePath(target: string): string {
  return target.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '')
}
