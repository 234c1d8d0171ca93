import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { readProjectFile } from '../project-file.ts'
import { HtmlPages, sendPage } from './html-pages.ts'
import { nothingAt } from './methods.ts'

const BASE_PATH = '/docs'

/** `GET /openapi.json`, and `GET /docs`: Swagger UI. @see https://github.com/fastify/fastify-swagger-ui */
export const docsRoute: FastifyPluginAsync = async app => {
  const pages = new HtmlPages(installSwaggerUi)
  app.addHook('onClose', () => pages.close())

  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    return reply.type('application/json; charset=utf-8').send(readDocument())
  })
  for (const url of [BASE_PATH, `${BASE_PATH}/*`]) {
    app.get(url, { schema: { hide: true, querystring: {} } }, async (request, reply) => {
      const page = await pages.request(request)
      if (page.statusCode === 404) throw nothingAt(request)
      return sendPage(reply, page)
    })
  }
}

function readDocument(): string {
  return readProjectFile('docs/openapi.json')
}

/** Loaded only when somebody looks. */
async function installSwaggerUi(app: FastifyInstance): Promise<void> {
  const [{ default: swagger }, { default: swaggerUi }] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ])
  await app.register(swagger, { mode: 'static', specification: { document: JSON.parse(readDocument()) } })
  await app.register(swaggerUi, { routePrefix: BASE_PATH, theme: { title: 'Throttler' } })
}
