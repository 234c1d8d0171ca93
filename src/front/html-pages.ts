import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type InjectOptions,
  type LightMyRequestResponse,
} from 'fastify'
import { nothingAt, READING_METHODS, routePath } from '../http/methods.ts'
import { ResponseTurns } from '../http/response-turns.ts'

/**
 * The content security policy that both pages need: both have inline styles. HSTS is left to the proxy.
 * @see https://github.com/fastify/fastify-helmet
 */
const HELMET_OPTIONS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      baseUri: ["'self'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
      imgSrc: ["'self'", 'data:'],
      objectSrc: ["'none'"],
      scriptSrc: ["'self'"],
      scriptSrcAttr: ["'none'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
    },
  },
  strictTransportSecurity: false,
}

/** The response of a page. */
export type Page = Pick<LightMyRequestResponse, 'statusCode' | 'headers' | 'rawPayload'>

/** Header fields that are passed to the page. Bodies are never passed. */
const PASSED_FIELDS = new Set(['host', 'accept'])

/** Fields of the connection, and fields that the service itself sets. */
const OWN_FIELDS = new Set(['connection', 'keep-alive', 'date', 'transfer-encoding', 'x-request-id'])

/** Maximum size of all cached files together, in bytes. */
const MAX_CACHED_BYTES = 16 * 1024 * 1024

/** Names of files have only these characters, so that each file has one spelling of its path. */
const PLAIN_PATH = /^[\w./-]+$/

const ANY_ORIGIN = 'http://localhost'

interface HtmlPagesOptions {
  /** Registers the pages. */
  readonly install: (app: FastifyInstance) => Promise<void>
  /** Whether the file at a path never changes. */
  readonly isStatic: (path: string) => boolean
  /** Aborts when the process is about to close: what waits for long then is refused. */
  readonly closing: AbortSignal
}

/**
 * Pages for people, in a Fastify application of their own. It is created on first use, since it costs memory and most processes
 * never need it. It takes at most one request in two turns of the event loop, so that checks are answered in between. Static files
 * are cached.
 */
export class HtmlPages {
  readonly #options: HtmlPagesOptions
  readonly #turns: ResponseTurns
  readonly #cache = new Map<string, Page>()
  readonly #inFlight = new Map<string, Promise<Page>>()
  #cachedBytes = 0
  #app: Promise<FastifyInstance> | undefined

  constructor(options: HtmlPagesOptions) {
    this.#options = options
    this.#turns = new ResponseTurns(options.closing)
  }

  async request(request: FastifyRequest): Promise<Page> {
    const path = routePath(request.url)
    if (!isNormal(path)) throw nothingAt(request)
    const isFile = READING_METHODS.has(request.method) && this.#options.isStatic(path)
    if (isFile && !PLAIN_PATH.test(path)) throw nothingAt(request)
    await this.#turns.next(request)
    if (!isFile) return this.#render(request)
    return this.#cache.get(path) ?? this.#coalesce(path, request)
  }

  async close(): Promise<void> {
    const app = await this.#app?.catch(() => undefined)
    await app?.close()
  }

  /** Coalesces concurrent requests for the same file. */
  #coalesce(path: string, request: FastifyRequest): Promise<Page> {
    const page = this.#inFlight.get(path) ?? this.#render(request).finally(() => this.#inFlight.delete(path))
    this.#inFlight.set(path, page)
    return page.then(page => this.#store(path, page))
  }

  /** The service itself leaves out the body of a response to HEAD. */
  async #render({ method, url, headers }: FastifyRequest): Promise<Page> {
    const app = await this.#appOnce()
    const passed = Object.entries(headers).filter(([name]) => PASSED_FIELDS.has(name))
    return app.inject({
      method: method === 'HEAD' ? 'GET' : (method as NonNullable<InjectOptions['method']>),
      url,
      headers: Object.fromEntries(passed) as Record<string, string>,
    })
  }

  #store(path: string, page: Page): Page {
    const { statusCode, headers, rawPayload } = page
    if (statusCode !== 200 || this.#cache.has(path) || this.#cachedBytes + rawPayload.length > MAX_CACHED_BYTES)
      return page
    this.#cachedBytes += rawPayload.length
    this.#cache.set(path, { statusCode, headers, rawPayload })
    return page
  }

  #appOnce(): Promise<FastifyInstance> {
    this.#app ??= this.#createApp().catch(err => {
      this.#app = undefined
      throw err
    })
    return this.#app
  }

  async #createApp(): Promise<FastifyInstance> {
    const { default: helmet } = await import('@fastify/helmet')
    const app = fastify()
    await app.register(helmet, HELMET_OPTIONS)
    await this.#options.install(app)
    await app.ready()
    return app
  }
}

/**
 * Whether a path is spelled as browsers send it. The pages' own application would normalize another spelling, such as
 * `/static/../api`, after the rules for the original path were applied.
 */
function isNormal(path: string): boolean {
  return URL.canParse(path, ANY_ORIGIN) && new URL(path, ANY_ORIGIN).pathname === path
}

/** Sends a page, or 304 if the caller has it already. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: Page): FastifyReply {
  for (const [name, value] of Object.entries(page.headers)) {
    if (value !== undefined && !OWN_FIELDS.has(name)) reply.header(name, value)
  }
  return sendUnlessCurrent(request, reply.code(page.statusCode), page.rawPayload)
}

/** Sends 304 if the caller's `If-None-Match` has the `ETag`. */
export function sendUnlessCurrent(request: FastifyRequest, reply: FastifyReply, body: Buffer): FastifyReply {
  const etag = reply.getHeader('etag')
  const known = request.headers['if-none-match']?.split(',').map(tag => tag.trim()) ?? []
  return typeof etag === 'string' && known.includes(etag) ? reply.code(304).send() : reply.send(body)
}
