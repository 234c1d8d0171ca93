import type { FastifyInstance, FastifyRequest } from 'fastify'
import { bearerToken } from '../access/bearer.ts'
import type { Callers } from '../access/callers.ts'
import { cut } from '../lib/cut.ts'
import { Problem } from '../lib/errors.ts'
import { isLoopbackAuthority } from '../lib/loopback-hosts.ts'
import type { Token } from '../settings/token.ts'
import type { Done, OnRequest } from './hook.ts'
import { READING_METHODS } from './methods.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller: the name of its token, or `anonymous`. */
    actor: string
    /** Whether the caller used an admin token on an admin route. */
    isOperator: boolean
    /** Whether the caller's admin token may only read. */
    isReadOnly: boolean
  }
  interface FastifyContextConfig {
    /** Who may call the route; everybody by default. */
    access?: Access
    /** Also accepts Basic authentication with the token as password, as admin routes always do. */
    basic?: boolean
    /** Spends and changes nothing, so that a read-only token may call it, though the access is `check`. */
    onlyReads?: boolean
    /** Makes browsers ask for a name and a password. Not for calls of a page: each would open another dialog. */
    asksForPassword?: boolean
  }
}

/** `admin` routes read and change limits, `check` routes spend from them. */
export type Access = 'admin' | 'check'

/** Authenticates callers before their body is read. */
export class Authentication {
  readonly #callers: Callers

  constructor(app: FastifyInstance, callers: Callers) {
    this.#callers = callers
    app.decorateRequest('actor', 'anonymous')
    app.decorateRequest('isOperator', false)
    app.decorateRequest('isReadOnly', false)
  }

  /** The hooks of a route with this access. */
  hooksFor(access: Access | undefined): readonly OnRequest[] {
    if (access === 'admin') return [(request, _reply, done) => this.#admitOperator(request, done)]
    if (access === 'check' && !this.#callers.areChecksOpen)
      return [(request, _reply, done) => this.#admitChecker(request, done)]
    return []
  }

  #admitOperator(request: FastifyRequest, done: Done): void {
    refuseForeignOrigin(request)
    if (this.#callers.areAdminCallsOpen) {
      refuseForeignHost(request)
      request.isOperator = true
      done()
      return
    }
    const presented = credentialOf(request)
    const token = this.#callers.findAdminToken(presented)
    if (token !== undefined) {
      request.isOperator = true
      authorizeOperator(request, token)
      this.#callers.countAdminCall(token, request.ip).then(done, done)
    } else this.#refuseOperator(request, presented, done)
  }

  #refuseOperator(request: FastifyRequest, presented: string | undefined, done: Done): void {
    const checkToken = this.#callers.findCheckToken(presented)
    if (checkToken === undefined) {
      this.#refuse(request, done)
      return
    }
    request.actor = checkToken.name
    throw new Problem('forbidden', CHECK_TOKEN)
  }

  #admitChecker(request: FastifyRequest, done: Done): void {
    const token = this.#callers.findTokenForChecks(credentialOf(request))
    if (token === undefined) {
      this.#refuse(request, done)
      return
    }
    if (bearerToken(request.headers.authorization) === undefined) refuseForeignOrigin(request)
    request.actor = token.name
    done(request.routeOptions.config.onlyReads ? undefined : this.#callers.checkFault(token))
  }

  /** Neither a request without credentials nor one with a valid token, sent as the route does not accept it, is a failed login. */
  #refuse(request: FastifyRequest, done: Done): void {
    if (request.headers.authorization === undefined) throw unauthorized(request)
    if (this.#callers.findTokenForChecks(passwordOf(request)) !== undefined) throw unauthorized(request)
    const counted = Promise.resolve(this.#callers.countFailedLogin(request.ip))
    counted.then(problem => done(problem ?? unauthorized(request)), done)
  }
}

/** Sets the actor first, so that the log names a token that is refused too. */
function authorizeOperator(request: FastifyRequest, token: Token): void {
  request.actor = token.name
  request.isReadOnly = token.readOnly
  if (token.readOnly && !READING_METHODS.has(request.method)) {
    throw new Problem('forbidden', `the token "${token.name}" may only read; the method was ${request.method}`)
  }
}

const CHECK_TOKEN = 'a check token may only check; policies and commands need an admin token'

const BEARER = 'Bearer realm="throttler"'

function unauthorized({ routeOptions }: FastifyRequest): Problem {
  const challenge = routeOptions.config.asksForPassword ? `Basic realm="throttler", charset="UTF-8", ${BEARER}` : BEARER
  const headers = { 'www-authenticate': challenge }
  return new Problem('unauthorized', 'send a valid token: Authorization: Bearer <token>', { headers })
}

/** The token of a request, if it is sent in a way that the route accepts. */
function credentialOf(request: FastifyRequest): string | undefined {
  const { access, basic } = request.routeOptions.config
  return bearerToken(request.headers.authorization) ?? (access === 'admin' || basic ? passwordOf(request) : undefined)
}

/** @see https://www.rfc-editor.org/rfc/rfc7617 */
function passwordOf({ headers }: FastifyRequest): string | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/_-]+=*) *$/i.exec(headers.authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const credentials = Buffer.from(encoded, 'base64').toString()
  const colon = credentials.indexOf(':')
  return colon === -1 ? undefined : credentials.slice(colon + 1)
}

/** Without tokens, a page in the operator's browser must not reach the service under another name (DNS rebinding). */
function refuseForeignHost({ headers }: FastifyRequest): void {
  if (isLoopbackAuthority(headers.host ?? '')) return
  throw new Problem(
    'forbidden',
    `without ADMIN_TOKENS the Host must be a loopback name such as localhost; it was ${headers.host ?? 'missing'}`,
  )
}

/** Longest origin that is compared: a name has at most 253 characters. To parse a longer one takes a millisecond. */
const MAX_ORIGIN = 300

/** Browsers send a password that they know with every request to its host, also for pages of another origin. */
function refuseForeignOrigin({ headers }: FastifyRequest): void {
  const { origin, host } = headers
  if (origin === undefined) return
  if (origin.length <= MAX_ORIGIN && URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()) return
  const given = cut(origin, MAX_ORIGIN)
  throw new Problem('forbidden', `pages of another origin may not call this route; the Origin was ${given}`)
}
