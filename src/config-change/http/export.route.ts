import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { exportLines } from '../import/export-lines.ts'
import { NDJSON } from '../import/ndjson.ts'
import type { PolicyReader } from '../ports.ts'
import { EXPORT_DOCS } from './config.docs.ts'

export interface ExportRouteOptions {
  readonly reader: PolicyReader
}

/** `GET /config/export`: every policy, one per line, in byte order of the keys. */
export const exportRoute: FastifyPluginAsyncTypebox<ExportRouteOptions> = async (app, { reader }) => {
  app.get('/config/export', { config: { access: 'admin', docs: EXPORT_DOCS } }, async (_request, reply) =>
    reply.type(NDJSON).send(Readable.from(exportLines(reader), { objectMode: false })),
  )
}
