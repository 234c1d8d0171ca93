import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type InjectOptions,
  type LightMyRequestResponse,
} from 'fastify'
import { nothingAt, routePath } from './methods.ts'
import { Turns } from './turns.ts'

/**
 * What both pages need, and no more: both write styles into their documents. TLS is for the proxy to speak of.
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

/** What a page answers. */
type Page = Pick<LightMyRequestResponse, 'statusCode' | 'headers' | 'rawPayload'>

/** What a page may want to know of a request; it never has a body. */
const PASSED_FIELDS = new Set(['host', 'accept'])

/** Fields that belong to a connection, or that the service itself writes. */
const OWN_FIELDS = new Set(['connection', 'keep-alive', 'date', 'transfer-encoding', 'x-request-id'])

/** How much of static files is kept in memory, in bytes. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024

/** Other spellings of the same path are not kept. */
const PLAIN_PATH = /^[\w./-]+$/

const ANY_ORIGIN = 'http://localhost'

interface HtmlPagesOptions {
  /** Adds the pages. */
  readonly install: (app: FastifyInstance) => Promise<void>
  /** Whether what is at a path never changes. */
  readonly isStatic: (path: string) => boolean
}

/**
 * Pages for people in an application of their own, made when somebody first looks: most processes are never looked at, and
 * everything that pages need costs memory. One request is taken up in each turn of the event loop, so that checks are answered
 * in between, and static files are kept.
 */
export class HtmlPages {
  readonly #options: HtmlPagesOptions
  readonly #turns = new Turns()
  readonly #kept = new Map<string, Page>()
  readonly #asked = new Map<string, Promise<Page>>()
  #keptBytes = 0
  #app: Promise<FastifyInstance> | undefined

  constructor(options: HtmlPagesOptions) {
    this.#options = options
  }

  async request(request: FastifyRequest): Promise<Page> {
    const path = routePath(request.url)
    if (!isNormal(path)) throw nothingAt(request)
    await this.#turns.next()
    const isShared = request.method === 'GET' && PLAIN_PATH.test(path) && this.#options.isStatic(path)
    return this.#kept.get(path) ?? (isShared ? this.#askOnce(path, request) : this.#ask(request))
  }

  async close(): Promise<void> {
    const app = await this.#app?.catch(() => undefined)
    await app?.close()
  }

  /** Those who ask for the same file at the same time share one page. */
  #askOnce(path: string, request: FastifyRequest): Promise<Page> {
    const asked = this.#asked.get(path) ?? this.#ask(request).finally(() => this.#asked.delete(path))
    this.#asked.set(path, asked)
    return asked.then(page => this.#keep(path, page))
  }

  async #ask({ method, url, headers }: FastifyRequest): Promise<Page> {
    const app = await this.#opened()
    const passed = Object.entries(headers).filter(([name]) => PASSED_FIELDS.has(name))
    return app.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url,
      headers: Object.fromEntries(passed) as Record<string, string>,
    })
  }

  #keep(path: string, page: Page): Page {
    const { statusCode, headers, rawPayload } = page
    if (statusCode !== 200 || this.#kept.has(path) || this.#keptBytes + rawPayload.length > MAX_KEPT_BYTES) return page
    this.#keptBytes += rawPayload.length
    this.#kept.set(path, { statusCode, headers, rawPayload })
    return page
  }

  #opened(): Promise<FastifyInstance> {
    this.#app ??= this.#open().catch(err => {
      this.#app = undefined
      throw err
    })
    return this.#app
  }

  async #open(): Promise<FastifyInstance> {
    const { default: helmet } = await import('@fastify/helmet')
    const app = fastify()
    await app.register(helmet, HELMET_OPTIONS)
    await this.#options.install(app)
    await app.ready()
    return app
  }
}

/**
 * Whether a path is as browsers send it. The pages' own application would take another spelling, such as `/static/../api`, for
 * the path that it comes to, after it was judged here by what it looks like.
 */
function isNormal(path: string): boolean {
  return URL.canParse(path, ANY_ORIGIN) && new URL(path, ANY_ORIGIN).pathname === path
}

/** Answers with a page as it is, or says that the caller has it already. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: Page): FastifyReply {
  for (const [name, value] of Object.entries(page.headers)) {
    if (value !== undefined && !OWN_FIELDS.has(name)) reply.header(name, value)
  }
  return sendUnlessCurrent(request, reply.code(page.statusCode), page.rawPayload)
}

/** Answers with 304 where the caller names the `ETag` that was set. */
export function sendUnlessCurrent(request: FastifyRequest, reply: FastifyReply, body: Buffer): FastifyReply {
  const etag = reply.getHeader('etag')
  const known = request.headers['if-none-match']?.split(/\s*,\s*/) ?? []
  return typeof etag === 'string' && known.includes(etag) ? reply.code(304).send() : reply.send(body)
}
