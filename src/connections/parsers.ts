/** All that this service uses of Node's undocumented HTTP parser. */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** Node's names for the functions of a parser that begin a message, take fields and a part of a body, end a message, and end a read. */
const BEGIN_MESSAGE = 0
const TAKE_FIELDS = 1
const TAKE_BODY = 3
const END_MESSAGE = 4
const END_READ = 5

/** Node's names for its listeners of a connection. */
const ON_DATA = 'bound socketOnData'
const ON_END = 'bound socketOnEnd'

/** Tells the parser that the remaining bytes are not HTTP, as after an upgrade, so it ignores them. */
const NOT_HTTP = 2

/** Node's name for the list of a server's parsers. */
const PARSERS = 'http.server.connections'

const IS_BETWEEN_MESSAGES = Symbol('whether the last message has ended, and no other has begun')

type TakeFields = (this: Parser, fields: readonly string[], url: string) => void
type TakeBody = (this: Parser, part: Buffer) => void
/** @param parsed the bytes of the read, or why they are not HTTP */
type EndRead = (parsed: number | Error) => void

/** Undocumented members of a parser. */
interface Parser {
  readonly socket: Socket | null
  /** The last request whose head is complete. */
  readonly incoming: IncomingMessage | null
  /** Fields of an unfinished head, or of trailers: names and values in turn. */
  readonly _headers: readonly string[]
  /** Handles the head of a request, and returns how to continue. */
  onIncoming: () => number
  [BEGIN_MESSAGE]: (() => void) | null
  /** Takes 32 fields, or the last ones if there were more. */
  [TAKE_FIELDS]: TakeFields
  [TAKE_BODY]: TakeBody | undefined
  [END_MESSAGE]: () => void
  /** After each read of the connection that goes to the parser directly. */
  [END_READ]?: EndRead
  [IS_BETWEEN_MESSAGES]?: boolean
}

/** An event of a server: the parser of a connection has taken fields. */
const FIELDS_TAKEN = 'throttler:fields-taken'

/** Parsers that emit it. Node uses a parser for one connection after another. */
const reporting = new WeakSet<Parser>()

/** Parsers that call back for each part of a body. */
const watched = new WeakSet<Parser>()

/** Parsers that note the end of a message. */
const noting = new WeakSet<Parser>()

interface ParserList {
  /** The parsers whose connection has sent nothing yet, or an unfinished request; the oldest first. */
  active(): readonly Pick<Parser, 'socket' | 'incoming'>[]
  /** Those of them whose head is late. Each is returned once. */
  expired(headTimeoutMs: number, requestTimeoutMs: number): readonly Pick<Parser, 'socket'>[]
}

function parserOf(connection: Socket): Parser | null | undefined {
  return (connection as { readonly parser?: Parser | null }).parser
}

/** The connections that have sent nothing yet, or an unfinished head; the oldest first. */
export function connectionsWithoutHead(server: Server): readonly Socket[] {
  return socketsOf(
    parserList(server)
      ?.active()
      .filter(({ incoming }) => incoming?.complete !== false),
  )
}

/** The connections that have not sent the head of a request in time, each once. */
export function lateConnections(server: Server, headTimeoutMs: number): readonly Socket[] {
  return socketsOf(parserList(server)?.expired(headTimeoutMs, 0))
}

/** The list exists once the server listens. */
function parserList(server: Server): ParserList | undefined {
  const name = Object.getOwnPropertySymbols(server).find(({ description }) => description === PARSERS)
  return name && (server as unknown as Record<symbol, ParserList | undefined>)[name]
}

function socketsOf(parsers: readonly Pick<Parser, 'socket'>[] = []): readonly Socket[] {
  return parsers.flatMap(({ socket }) => socket ?? [])
}

/** Makes the parser of a connection ignore all further bytes. */
export function ignoreInput(connection: Socket): void {
  const parser = parserOf(connection)
  const takeBody = parser?.[TAKE_BODY]
  if (!parser || !takeBody) return
  parser.onIncoming = () => NOT_HTTP
  parser[TAKE_BODY] = undefined
  // Node keeps this member when it uses the parser for another connection.
  setImmediate(() => {
    parser[TAKE_BODY] = takeBody
  })
}

/**
 * Calls back once a head, even an unfinished one, or trailers have more fields than this. Node itself keeps no more, but its earlier
 * versions do not refuse them.
 */
export function watchFields(
  server: Server,
  max: number,
  onExceeded: (connection: Socket, inTrailers: boolean) => void,
) {
  server.maxHeadersCount = max + 1
  server.on('connection', (connection: Socket) => {
    const parser = parserOf(connection)
    if (parser && !reporting.has(parser)) reportFields(parser)
  })
  server.on(FIELDS_TAKEN, ({ socket, incoming, _headers }: Parser) => {
    if (socket && _headers.length > 2 * max) onExceeded(socket, incoming?.complete === false)
  })
}

function reportFields(parser: Parser): void {
  reporting.add(parser)
  const take = parser[TAKE_FIELDS]
  parser[TAKE_FIELDS] = function (fields, url) {
    take.call(this, fields, url)
    const { server } = (this.socket ?? {}) as { readonly server?: Server }
    server?.emit(FIELDS_TAKEN, this)
  }
}

/** Calls back before each part of a body is taken: a chunk, or what is read of it at once. The callback is the same for all connections. */
export function watchParts(connection: Socket, onPart: (connection: Socket) => void): void {
  const parser = parserOf(connection)
  const take = parser?.[TAKE_BODY]
  if (!parser || !take || watched.has(parser)) return
  watched.add(parser)
  parser[TAKE_BODY] = function (part) {
    if (this.socket) onPart(this.socket)
    take.call(this, part)
  }
}

/** Calls back after each read of a connection that its parser does itself, with the number of bytes. */
export function watchReads(connection: Socket, onRead: (connection: Socket, bytes: number) => void): void {
  const parser = parserOf(connection)
  const end = parser?.[END_READ]
  if (!parser || !end) return
  parser[END_READ] = parsed => {
    if (typeof parsed === 'number') onRead(connection, parsed)
    end(parsed)
  }
}

/** What Node's parser does with the input of a connection. */
export interface ParserFeed {
  /** Whether the last message has ended and no other has begun, so that the next byte begins one. `false` before the first message. */
  isBetweenMessages(): boolean
  parse(bytes: Buffer): void
  end(): void
}

type Listener = (...args: unknown[]) => void

/**
 * Takes the input of a connection from its parser, which then gets only what it is fed. Returns `undefined` if this version of Node.js has
 * other listeners.
 */
export function takeInput(connection: Socket): ParserFeed | undefined {
  const parser = parserOf(connection)
  const onData = listenerOf(connection, 'data', ON_DATA)
  const onEnd = listenerOf(connection, 'end', ON_END)
  if (!parser || !onData || !onEnd) return undefined
  watchMessages(parser)
  connection.off('data', onData).off('end', onEnd)
  // Node can use the parser for another connection once this one is closed or handed over.
  const isOurs = () => parserOf(connection) === parser
  return {
    isBetweenMessages: () => isOurs() && parser[IS_BETWEEN_MESSAGES] === true,
    parse: bytes => void (isOurs() && onData(bytes)),
    end: () => void (isOurs() && onEnd()),
  }
}

function listenerOf(connection: Socket, event: string, name: string): Listener | undefined {
  return (connection.listeners(event) as Listener[]).find(listener => listener.name === name)
}

function watchMessages(parser: Parser): void {
  parser[IS_BETWEEN_MESSAGES] = false
  // Node removes this function after each connection, but not the one for the end of a message.
  parser[BEGIN_MESSAGE] = beginMessage
  if (noting.has(parser)) return
  noting.add(parser)
  const end = parser[END_MESSAGE]
  parser[END_MESSAGE] = function () {
    this[IS_BETWEEN_MESSAGES] = true
    end.call(this)
  }
}

function beginMessage(this: Parser): void {
  this[IS_BETWEEN_MESSAGES] = false
}
