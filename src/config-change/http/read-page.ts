import type { FastifyRequest } from 'fastify'
import { ENTRIES_PER_PART, type LongReads } from '../../http/long-reads.ts'
import { mapStoreErrors } from '../map-store-errors.ts'

interface PageQuery<Entry, Position> {
  readonly limit: number
  /** Where the page begins. */
  readonly after: Position
  /** Reads at most `limit` entries that follow a position. */
  read(after: Position, limit: number): Promise<readonly Entry[]>
  positionOf(entry: Entry): Position
}

/**
 * Reads the entries of a page in parts, each in its turn.
 * @throws {Problem} `config-store-unavailable`, `overloaded`, `draining`; another one if the connection closes
 */
export function readPage<Entry, Position>(
  reads: LongReads,
  request: FastifyRequest,
  { limit, after, read, positionOf }: PageQuery<Entry, Position>,
): Promise<readonly Entry[]> {
  return reads.read({ kind: 'list', request }, async nextPart => {
    const entries: Entry[] = []
    for (let position = after; ; ) {
      const wanted = Math.min(limit - entries.length, ENTRIES_PER_PART)
      await nextPart()
      const part = await mapStoreErrors(read(position, wanted))
      entries.push(...part)
      const last = part.at(-1)
      if (last === undefined || part.length < wanted || entries.length === limit) return entries
      position = positionOf(last)
    }
  })
}
