import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type InjectOptions,
  type LightMyRequestResponse,
} from 'fastify'

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
type Page = Pick<LightMyRequestResponse, 'statusCode' | 'headers' | 'payload' | 'rawPayload'>

/** What a page may want to know of a request; it never has a body. */
const PASSED_FIELDS = new Set(['host', 'accept', 'if-none-match', 'if-modified-since', 'range'])

/** Fields that belong to a connection, or that the service itself writes. */
const OWN_FIELDS = new Set(['connection', 'keep-alive', 'date', 'transfer-encoding', 'x-request-id'])

/**
 * Pages for people in an application of their own, made when somebody first looks: most processes are never looked at, and
 * everything that pages need costs memory.
 */
export class HtmlPages {
  readonly #install: (app: FastifyInstance) => Promise<void>
  #app: Promise<FastifyInstance> | undefined

  /** @param install adds the pages */
  constructor(install: (app: FastifyInstance) => Promise<void>) {
    this.#install = install
  }

  async request({ method, url, headers }: FastifyRequest): Promise<Page> {
    const app = await this.#opened()
    const passed = Object.entries(headers).filter(([name]) => PASSED_FIELDS.has(name))
    return app.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url,
      headers: Object.fromEntries(passed) as Record<string, string>,
    })
  }

  async close(): Promise<void> {
    const app = await this.#app?.catch(() => undefined)
    await app?.close()
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
    await this.#install(app)
    await app.ready()
    return app
  }
}

/** Answers with a page as it is. */
export function sendPage(reply: FastifyReply, { statusCode, headers, rawPayload }: Page): FastifyReply {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !OWN_FIELDS.has(name)) reply.header(name, value)
  }
  return reply.code(statusCode).send(rawPayload)
}
