import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ENTRIES_PER_PART, type LongRead, type LongReads } from '../../http/long-reads.ts'
import { whenRead } from '../../http/when-read.ts'
import { linesOf } from '../import/export-lines.ts'
import { NDJSON } from '../import/ndjson.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import type { PolicyReader } from '../ports.ts'
import { EXPORT_DOCS } from './config.docs.ts'

export interface ExportRouteOptions {
  readonly reader: PolicyReader
  readonly reads: LongReads
}

/** `GET /config/export`: every policy, one per line, in byte order of the keys. Large exports take turns, part by part. */
export const exportRoute: FastifyPluginAsyncTypebox<ExportRouteOptions> = async (app, { reader, reads }) => {
  app.get('/config/export', { config: { access: 'admin', docs: EXPORT_DOCS } }, async (request, reply) => {
    const read = await reads.begin({ kind: 'export', request })
    reply.raw.once('close', () => read.end())
    const parts = new ExportParts(reader, read)
    const isRead = () => whenRead(reply.raw, () => read.leave())
    // An export without its first part has no response yet, so it can still be refused.
    const first = await parts.next()
    return reply.type(NDJSON).send(streamOf(first, async () => ((await isRead()) ? parts.next() : null)))
  })
}

/** The lines of all policies, in parts. Between two parts, it holds only a key: an iterator would hold its last part too. */
class ExportParts {
  readonly #reader: PolicyReader
  readonly #read: LongRead
  #after: string | undefined
  #isOver = false

  constructor(reader: PolicyReader, read: LongRead) {
    this.#reader = reader
    this.#read = read
  }

  /**
   * Returns `null` after the last part.
   * @throws {Problem} `config-store-unavailable`; another one if the connection closes
   */
  async next(): Promise<string | null> {
    if (this.#isOver) return null
    await this.#read.nextPart()
    const part = await mapStoreErrors(this.#reader.list({ prefix: '', after: this.#after, limit: ENTRIES_PER_PART }))
    this.#after = part.at(-1)?.key
    this.#isOver = part.length < ENTRIES_PER_PART
    return part.length === 0 ? null : linesOf(part)
  }
}

function streamOf(first: string | null, next: () => Promise<string | null>): Readable {
  const stream = new Readable({
    read: () => {
      next().then(
        part => stream.destroyed || stream.push(part),
        (err: Error) => stream.destroy(err),
      )
    },
  })
  stream.push(first)
  return stream
}
