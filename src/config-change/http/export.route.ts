import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { PolicyRecord } from '../../domain/policy-record.ts'
import { ENTRIES_PER_PART, type LongReads } from '../../http/long-reads.ts'
import { whenRead } from '../../http/when-read.ts'
import { exportLines } from '../import/export-lines.ts'
import { NDJSON } from '../import/ndjson.ts'
import type { PolicyReader } from '../ports.ts'
import { EXPORT_DOCS } from './config.docs.ts'
import { readPage } from './read-page.ts'

export interface ExportRouteOptions {
  readonly reader: PolicyReader
  readonly reads: LongReads
}

/** `GET /config/export`: every policy, one per line, in byte order of the keys. Large exports take turns, part by part. */
export const exportRoute: FastifyPluginAsyncTypebox<ExportRouteOptions> = async (app, { reader, reads }) => {
  app.get('/config/export', { config: { access: 'admin', docs: EXPORT_DOCS } }, async (request, reply) => {
    const lines = exportLines({ all: () => inParts(request, reply.raw) })
    // A request that waits for its turn has no response yet, so it can still be refused.
    const first = await lines.next()
    return reply.type(NDJSON).send(Readable.from(resumed(first, lines), { objectMode: false }))
  })

  /** The policies that are left to read, while the client reads them. Between two parts, an export holds only a key. */
  async function* inParts(request: FastifyRequest, response: ServerResponse): AsyncGenerator<readonly PolicyRecord[]> {
    for (let after: string | undefined; await whenRead(response); ) {
      const part = await readPage(reads, request, {
        kind: 'export',
        isBegun: response.headersSent,
        limit: ENTRIES_PER_PART,
        after,
        read: (position, limit) => reader.list({ prefix: '', after: position, limit }),
        positionOf: ({ key }): string | undefined => key,
      })
      yield part
      if (part.length < ENTRIES_PER_PART) return
      after = part.at(-1)?.key
    }
  }
}

async function* resumed<T>(first: IteratorResult<T>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done) return
  yield first.value
  yield* rest
}
