import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { LOGO_SVG } from './logo.ts'

const JAVASCRIPT = 'text/javascript; charset=utf-8'

/** Files of Swagger UI itself, which never change within a release of the package. */
const FILES: Readonly<Record<string, string>> = {
  'index.css': 'text/css; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': JAVASCRIPT,
}

const FAVICON = 'theme/favicon.svg'

/** Without the bar of Swagger UI, which offers to load the document of any other service. */
const INITIALIZER = `window.onload = () => {
  const page = window.location.href.split(/[?#]/, 1)[0].replace(/\\/$/, '')
  SwaggerUIBundle({
    url: page + '/json',
    dom_id: '#swagger-ui',
    deepLinking: true,
    layout: 'BaseLayout',
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
  })
}
`

/**
 * Registers Swagger UI at a path, for an OpenAPI document. The package's plugin for Fastify would do the same, but it first loads many
 * modules, some of them for a tenth of a second, in which nobody is answered.
 */
export async function installSwaggerUi(app: FastifyInstance, path: string, document: Buffer): Promise<void> {
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('@fastify/swagger-ui/package.json')
  const etag = `"${JSON.parse(await readFile(manifest, 'utf8')).version}"`
  const folder = join(dirname(manifest), 'static')

  const serve = (url: string, type: string, body: string | Buffer) =>
    app.get(path + url, (_request, reply) => reply.type(type).send(body))
  serve('', 'text/html; charset=utf-8', pageAt(`${path}/static`))
  serve('/', 'text/html; charset=utf-8', pageAt('./static'))
  serve('/json', 'application/json; charset=utf-8', document)
  serve('/static/swagger-initializer.js', JAVASCRIPT, INITIALIZER)
  serve(`/static/${FAVICON}`, 'image/svg+xml', LOGO_SVG)
  for (const [file, type] of Object.entries(FILES)) {
    app.get(`${path}/static/${file}`, async (_request, reply) =>
      reply
        .type(type)
        .header('etag', etag)
        .send(await readFile(join(folder, file))),
    )
  }
}

function pageAt(folder: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>Throttler API</title>
<link rel="stylesheet" href="${folder}/swagger-ui.css">
<link rel="stylesheet" href="${folder}/index.css">
<link rel="icon" type="image/svg+xml" href="${folder}/${FAVICON}" sizes="any">
</head>
<body>
<div id="swagger-ui"></div>
<script src="${folder}/swagger-ui-bundle.js"></script>
<script src="${folder}/swagger-initializer.js"></script>
</body>
</html>
`
}
