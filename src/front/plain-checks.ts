import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { bearerToken } from '../access/bearer.ts'
import type { Callers } from '../access/callers.ts'
import { answerCheck, type CheckRoutesOptions } from '../check/http/check.route.ts'
import type { CheckRequest } from '../check/http/check.schema.ts'
import { readCheck } from '../check/http/read-check.ts'
import type { Connections } from '../connections/connections.ts'
import { isDisconnected } from '../connections/disconnect.ts'
import { hasUnparsedRequest, ParserInput } from '../connections/parser-input.ts'
import { takeInput } from '../connections/parsers.ts'
import type { RequestTurns } from '../connections/request-turns.ts'
import type { SharedBound } from '../connections/shared-bound.ts'
import { PlainReply } from '../http/plain-reply.ts'
import { canBePlain, type PlainFields, readPlainRequest } from '../http/plain-request.ts'
import { type AnswerProblem, internalProblem } from '../http/problem.ts'
import type { LoggedRequest } from '../http/reply.ts'
import { requestIdOf } from '../http/request-id.ts'
import { Problem } from '../lib/errors.ts'

const REQUEST_LINE = 'POST /check HTTP/1.1\r\n'

/** As clients write it. */
const JSON_TYPES: ReadonlySet<string | undefined> = new Set([
  'application/json',
  'application/json; charset=utf-8',
  'application/json;charset=utf-8',
])

const CLOSE = 'Connection: close\r\n'

interface PlainChecksOptions extends CheckRoutesOptions {
  readonly callers: Callers
  readonly isOverloaded: () => boolean
  readonly connections: Connections
  readonly turns: RequestTurns
  readonly memory: SharedBound
  readonly keepAliveTimeoutMs: number
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
  readonly answerProblem: AnswerProblem
  /** Aborts when the process begins to drain. */
  readonly drain: AbortSignal
}

/**
 * The short way of a check: a plain `POST /check` is read and answered without Node's parser, its streams and Fastify, which take two fifths
 * of the CPU of a front process. All other input goes to the parser as it has arrived: the first two checks of a connection, requests in
 * another form, and those that are refused before they are decided.
 */
export class PlainChecks {
  readonly #options: PlainChecksOptions
  readonly #answer: ReturnType<typeof answerCheck>
  readonly #keepAlive: string
  /** Connections whose first check was looked at. */
  readonly #known = new WeakSet<Socket>()

  constructor(server: Server, options: PlainChecksOptions) {
    this.#options = options
    this.#answer = answerCheck(options)
    const seconds = Math.floor(options.keepAliveTimeoutMs / 1000)
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`
    server.prependListener('request', request => {
      if (request.url === '/check' && request.method === 'POST') this.#look(request)
    })
    // Node counts the time of a request that its parser has not seen as idle.
    server.on('timeout', (connection: Socket) => hasUnparsedRequest(connection) || connection.destroy())
  }

  /**
   * Looks at the first check of a connection. If it was not plain, the next ones will hardly be: all its input goes to the parser directly,
   * as Node reads it, at no cost.
   */
  #look(request: IncomingMessage): void {
    const { socket } = request
    if (this.#known.has(socket)) return
    this.#known.add(socket)
    // Then all that has arrived with it is parsed.
    setImmediate(() => request.complete && this.#isPlain(request) && this.#begin(socket))
  }

  #isPlain({ headers }: IncomingMessage): boolean {
    const fields = headers as PlainFields
    return canBePlain(headers) && this.#describesCheck(fields) && this.#actorOf(fields) !== undefined
  }

  #begin(connection: Socket): void {
    const feed = takeInput(connection)
    const take = (bytes: Buffer, input: ParserInput) => this.#take(bytes, connection, input)
    if (feed !== undefined) new ParserInput(connection, { feed, take, memory: this.#options.memory })
  }

  #take(bytes: Buffer, connection: Socket, input: ParserInput): boolean {
    if (this.#isBusy(connection)) return false
    const { fields, body } = readPlainRequest(bytes, REQUEST_LINE) ?? {}
    if (fields === undefined || body === undefined || !this.#describesCheck(fields)) return false
    const check = readCheck(body)
    const actor = this.#actorOf(fields)
    if (check === undefined || actor === undefined) return false
    this.#options.turns.spend(connection)
    this.#decide(new PlainCheck(fields, check, actor, connection), input)
    return true
  }

  /** Whether the request is refused, or waits for its turn, for an earlier answer or for its client to read. */
  #isBusy(connection: Socket): boolean {
    const { drain, isOverloaded, turns, connections } = this.#options
    if (drain.aborted || turns.isSpent || isOverloaded()) return true
    return connection.writableLength > 0 || connections.current(connection) !== undefined
  }

  #describesCheck(fields: PlainFields): boolean {
    const isForwarded = fields['x-forwarded-for'] !== undefined && this.#options.trustedProxies.length > 0
    return JSON_TYPES.has(fields['content-type']) && !isForwarded
  }

  /** The name of the caller, if it may check. */
  #actorOf({ authorization }: PlainFields): string | undefined {
    const { callers } = this.#options
    if (callers.areChecksOpen) return 'anonymous'
    const token = callers.findTokenForChecks(bearerToken(authorization))
    return token === undefined || callers.checkFault(token) !== undefined ? undefined : token.name
  }

  #decide(check: PlainCheck, input: ParserInput): void {
    const reply = new PlainReply({
      requestId: check.id,
      connectionFields: () => (this.#closes(input) ? CLOSE : this.#keepAlive),
      write: answer => this.#write(answer, check.connection, input),
      sendProblem: problem => this.#options.answerProblem(problem, check, reply),
    })
    try {
      this.#answer(check, reply)
    } catch (err) {
      reply.send(err instanceof Problem ? err : internalProblem(err))
    }
  }

  #write(answer: string, connection: Socket, input: ParserInput): void {
    if (isDisconnected(connection)) return
    connection.write(answer)
    if (this.#closes(input)) connection.destroySoon()
    else input.answered()
  }

  /** Whether the answer is the last one of its connection. Of several requests, the parser closes it after the last. */
  #closes(input: ParserInput): boolean {
    return this.#options.drain.aborted && !input.isHolding
  }
}

/** A check as logs see it. */
class PlainCheck implements LoggedRequest {
  readonly id: string
  readonly body: CheckRequest
  readonly actor: string
  readonly connection: Socket

  constructor(fields: PlainFields, body: CheckRequest, actor: string, connection: Socket) {
    this.id = requestIdOf({ headers: fields })
    this.body = body
    this.actor = actor
    this.connection = connection
  }

  get method(): string {
    return 'POST'
  }

  get ip(): string {
    return this.connection.remoteAddress ?? ''
  }

  get isOperator(): boolean {
    return false
  }

  get params(): unknown {
    return undefined
  }

  get query(): unknown {
    return undefined
  }

  get routeOptions(): LoggedRequest['routeOptions'] {
    return ROUTE
  }
}

const ROUTE = { url: '/check', config: { access: 'check' } } as const
