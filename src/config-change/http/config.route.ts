import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import type { LongReads } from '../../http/long-reads.ts'
import type { PolicyReader } from '../ports.ts'
import { emptyHistory, readCurrent, readVersion } from '../read-policy.ts'
import { GET_DOCS, HISTORY_DOCS, LIST_DOCS } from './config.docs.ts'
import { acceptConfigKey, KeyParams } from './config-key.ts'
import { keyCursor, versionCursor } from './cursor.ts'
import { eventBody, HistoryResponse } from './history-json.ts'
import { ListQuery, PageQuery } from './pages.schema.ts'
import { PolicyListResponse, PolicyResponse, policyBody, sendBody, sendPolicy } from './policy-json.ts'
import { readPage } from './read-page.ts'
import { versionNumber } from './version-number.schema.ts'

export interface ConfigRoutesOptions {
  readonly reader: PolicyReader
  readonly reads: LongReads
}

const GetPolicyQuery = Type.Object(
  { version: Type.Optional(versionNumber('Return this version of the policy.')) },
  { additionalProperties: false },
)

/** `GET /config…`: present policies, earlier versions and histories. */
export const configRoutes: FastifyPluginAsyncTypebox<ConfigRoutesOptions> = async (app, { reader, reads }) => {
  app.get(
    '/config/:key',
    {
      config: { access: 'admin', docs: GET_DOCS },
      schema: { params: KeyParams, querystring: GetPolicyQuery, response: { 200: PolicyResponse } },
    },
    async (request, reply) => {
      const { key } = request.params
      acceptConfigKey(key)
      const { version } = request.query
      return sendPolicy(
        reply,
        await (version === undefined ? readCurrent(reader, key) : readVersion(reader, key, version)),
      )
    },
  )

  app.get(
    '/config/:key/history',
    {
      config: { access: 'admin', docs: HISTORY_DOCS },
      schema: { params: KeyParams, querystring: PageQuery, response: { 200: HistoryResponse } },
    },
    async (request, reply) => {
      const { key } = request.params
      acceptConfigKey(key)
      const { limit, cursor } = request.query
      const cursors = versionCursor(key)
      const events = await readPage(reads, request, {
        limit: limit + 1,
        after: cursor === undefined ? 0 : cursors.decode(cursor),
        read: (after, wanted) => reader.history(key, { after, limit: wanted }),
        positionOf: ({ version }) => version,
      })
      if (events.length === 0 && cursor === undefined) throw emptyHistory(key)
      const page = events.slice(0, limit)
      const last = page.at(-1)
      return sendBody(reply, {
        key,
        events: page.map(eventBody),
        ...(events.length > limit && last && { nextCursor: cursors.encode(last.version) }),
      })
    },
  )

  app.get(
    '/config',
    {
      config: { access: 'admin', docs: LIST_DOCS },
      schema: { querystring: ListQuery, response: { 200: PolicyListResponse } },
    },
    async (request, reply) => {
      const { prefix, limit, cursor } = request.query
      const cursors = keyCursor(prefix)
      const records = await readPage(reads, request, {
        limit: limit + 1,
        after: cursor === undefined ? undefined : cursors.decode(cursor),
        read: (after, wanted) => reader.list({ prefix, after, limit: wanted }),
        positionOf: ({ key }): string | undefined => key,
      })
      const page = records.slice(0, limit)
      const last = page.at(-1)
      return sendBody(reply, {
        items: page.map(policyBody),
        ...(records.length > limit && last && { nextCursor: cursors.encode(last.key) }),
      })
    },
  )
}
