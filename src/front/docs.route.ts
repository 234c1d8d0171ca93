import { createHash } from 'node:crypto'
import type { FastifyPluginAsync } from 'fastify'
import { nothingAt } from '../http/methods.ts'
import { ResponseTurns } from '../http/response-turns.ts'
import { readProjectFile } from '../lib/project-file.ts'
import { HtmlPages, sendPage, sendUnlessCurrent } from './html-pages.ts'
import { installSwaggerUi } from './swagger-ui.ts'

const BASE_PATH = '/docs'

/** The documents that the service serves, each read on first use. */
const DOCUMENTS = {
  api: lazyDocument('docs/openapi.json', 'application/json; charset=utf-8'),
  // Browsers show plain text, and download Markdown.
  errors: lazyDocument('docs/errors.md', 'text/plain; charset=utf-8'),
}

export interface DocsRouteOptions {
  /** Aborts when the process is about to close: what waits for long then is refused. */
  readonly closing: AbortSignal
}

/**
 * `GET /openapi.json`; `GET /docs/errors.md`, to which the OpenAPI document refers; and `GET /docs`: Swagger UI.
 * @see https://github.com/swagger-api/swagger-ui
 */
export const docsRoute: FastifyPluginAsync<DocsRouteOptions> = async (app, { closing }) => {
  const pages = new HtmlPages({
    install: inner => installSwaggerUi(inner, BASE_PATH, DOCUMENTS.api().bytes),
    isStatic: () => true,
    closing,
  })
  app.addHook('onClose', () => pages.close())

  const turns = new ResponseTurns(closing)
  const serve = (url: string, open: () => ProjectDocument) =>
    app.get(url, { schema: { hide: true } }, async (request, reply) => {
      await turns.next(request)
      const { bytes, mediaType, etag } = open()
      return sendUnlessCurrent(request, reply.type(mediaType).header('etag', etag), bytes)
    })
  serve('/openapi.json', DOCUMENTS.api)
  serve(`${BASE_PATH}/errors.md`, DOCUMENTS.errors)

  for (const url of [BASE_PATH, `${BASE_PATH}/*`]) {
    app.get(url, { schema: { hide: true, querystring: {} } }, async (request, reply) => {
      const page = await pages.request(request)
      if (page.statusCode === 404) throw nothingAt(request)
      return sendPage(request, reply, page)
    })
  }
}

interface ProjectDocument {
  readonly bytes: Buffer
  readonly mediaType: string
  readonly etag: string
}

function lazyDocument(path: string, mediaType: string): () => ProjectDocument {
  let document: ProjectDocument | undefined
  return () => {
    document ??= withEtag(Buffer.from(readProjectFile(path)), mediaType)
    return document
  }
}

function withEtag(bytes: Buffer, mediaType: string): ProjectDocument {
  return { bytes, mediaType, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
}
