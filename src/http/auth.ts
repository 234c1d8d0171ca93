import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../errors.ts'
import { isLoopbackAuthority } from './loopback.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls: the name of the token, `anonymous` without tokens. */
    actor: string
  }
  interface FastifyContextConfig {
    /** Who may call the route; anybody where it is not said. */
    access?: Access
  }
}

/** `admin` routes read and change limits, `check` routes spend from them. */
export type Access = 'admin' | 'check'

export interface Token {
  readonly name: string
  readonly token: string
  readonly readOnly: boolean
}

export interface AuthOptions {
  readonly adminTokens: readonly Token[]
  readonly checkTokens: readonly Token[]
}

const READING_METHODS = new Set(['GET', 'HEAD'])

/** Decides who calls before a body is looked at. */
export function authenticate(app: FastifyInstance, options: AuthOptions): void {
  const admin = new TokenSet(options.adminTokens)
  const check = new TokenSet(options.checkTokens)

  app.decorateRequest('actor', 'anonymous')
  app.addHook('onRequest', (request, _reply, done) => {
    const { access } = request.routeOptions.config
    if (access === 'admin') authorizeAdmin(request)
    else if (access === 'check' && !check.isEmpty) authorizeCheck(request)
    done()
  })

  function authorizeAdmin(request: FastifyRequest): void {
    refuseForeignOrigin(request)
    if (admin.isEmpty) {
      refuseForeignHost(request)
      return
    }
    const presented = bearerOf(request)
    const token = admin.find(presented)
    if (token === undefined) throw check.find(presented) ? new Problem('forbidden', CHECK_TOKEN) : unauthorized()
    act(request, token)
  }

  function authorizeCheck(request: FastifyRequest): void {
    const presented = bearerOf(request)
    const token = check.find(presented) ?? admin.find(presented)
    if (token === undefined) throw unauthorized()
    act(request, token)
  }
}

function act(request: FastifyRequest, token: Token): void {
  if (token.readOnly && !READING_METHODS.has(request.method)) {
    throw new Problem('forbidden', `the token "${token.name}" may only read; the method was ${request.method}`)
  }
  request.actor = token.name
}

const CHECK_TOKEN = 'a check token may only check; policies and commands need an admin token'

function unauthorized(): Problem {
  const headers = { 'www-authenticate': 'Bearer realm="throttler"' }
  return new Problem('unauthorized', 'send a valid token: Authorization: Bearer <token>', { headers })
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
}

/** Compares hashes, each in constant time, so that neither a token nor its length can be guessed by timing. */
class TokenSet {
  readonly #entries: readonly { digest: Buffer; token: Token }[]

  constructor(tokens: readonly Token[]) {
    this.#entries = tokens.map(token => ({ digest: digestOf(token.token), token }))
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  find(presented: string | undefined): Token | undefined {
    if (presented === undefined) return undefined
    const digest = digestOf(presented)
    return this.#entries.filter(entry => timingSafeEqual(entry.digest, digest))[0]?.token
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Without tokens a page in the operator's browser must not reach us under a name of its own (DNS rebinding). */
function refuseForeignHost({ headers }: FastifyRequest): void {
  if (isLoopbackAuthority(headers.host ?? '')) return
  throw new Problem(
    'forbidden',
    `without ADMIN_TOKENS only loopback names such as localhost are answered here; the Host was ${headers.host ?? 'missing'}`,
  )
}

function refuseForeignOrigin({ headers }: FastifyRequest): void {
  const { origin, host } = headers
  if (origin === undefined) return
  if (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()) return
  throw new Problem('forbidden', `pages of another origin may not call this; the Origin was ${origin}`)
}
