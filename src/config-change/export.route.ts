import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { EXPORT_DOCS } from './config.docs.ts'
import { exportLines } from './export.ts'
import { NDJSON } from './ndjson.ts'
import type { PolicyReader } from './ports.ts'
import { orUnavailable } from './unavailable.ts'

export interface ExportRouteOptions {
  readonly reader: PolicyReader
}

/** `GET /config/export`: every policy, a line each, in byte order of the keys. */
export const exportRoute: FastifyPluginAsyncTypebox<ExportRouteOptions> = async (app, { reader }) => {
  app.get('/config/export', { config: { access: 'admin', docs: EXPORT_DOCS } }, async (_request, reply) =>
    reply.type(NDJSON).send(Readable.from(lines(reader), { objectMode: false })),
  )
}

async function* lines(reader: PolicyReader): AsyncGenerator<string> {
  const chunks = exportLines(reader)
  for (;;) {
    const { done, value } = await orUnavailable(chunks.next())
    if (done === true) return
    yield value.join('')
  }
}
