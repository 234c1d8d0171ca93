import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { nothingAt } from '../http/methods.ts'
import { Turns } from '../http/turns.ts'
import { readProjectFile } from '../lib/project-file.ts'
import { HtmlPages, sendPage, sendUnlessCurrent } from './html-pages.ts'

const BASE_PATH = '/docs'

/** `GET /openapi.json`, and `GET /docs`: Swagger UI. @see https://github.com/fastify/fastify-swagger-ui */
export const docsRoute: FastifyPluginAsync = async app => {
  const pages = new HtmlPages({ install: installSwaggerUi, isStatic: () => true })
  app.addHook('onClose', () => pages.close())

  const turns = new Turns()
  app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) => {
    await turns.next()
    const { bytes, etag } = apiDocument()
    return sendUnlessCurrent(request, reply.type('application/json; charset=utf-8').header('etag', etag), bytes)
  })
  for (const url of [BASE_PATH, `${BASE_PATH}/*`]) {
    app.get(url, { schema: { hide: true, querystring: {} } }, async (request, reply) => {
      const page = await pages.request(request)
      if (page.statusCode === 404) throw nothingAt(request)
      return sendPage(request, reply, page)
    })
  }
}

interface ApiDocument {
  readonly bytes: Buffer
  readonly etag: string
}

let document: ApiDocument | undefined

/** The OpenAPI document, read on first use. */
function apiDocument(): ApiDocument {
  document ??= withEtag(Buffer.from(readProjectFile('docs/openapi.json')))
  return document
}

function withEtag(bytes: Buffer): ApiDocument {
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
}

/** Loaded on first use. */
async function installSwaggerUi(app: FastifyInstance): Promise<void> {
  const [{ default: swagger }, { default: swaggerUi }] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ])
  const specification = { document: JSON.parse(apiDocument().bytes.toString()) }
  await app.register(swagger, { mode: 'static', specification })
  await app.register(swaggerUi, { routePrefix: BASE_PATH, theme: { title: 'Throttler' } })
}
