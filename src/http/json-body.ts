import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../errors.ts'

const JSON_MEDIA_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?;?\s*$/i

/**
 * Bodies are JSON in UTF-8, not compressed, and nothing else. Bytes that are not UTF-8 are refused rather than replaced, since
 * two keys could become one.
 */
export function acceptOnlyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_MEDIA_TYPE, { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer
    if (isCompressed(request))
      return done(new Problem('media-type-unsupported', 'the body is compressed; send it as it is'))
    if (bytes.length === 0 && request.method === 'DELETE') return done(null, undefined)
    if (!isUtf8(bytes)) return done(new Problem('body-malformed', 'the body is not valid UTF-8'))
    void parse(request, bytes.toString('utf8'), (err, value) => {
      if (err === null) return done(null, value)
      done(new Problem('body-malformed', bytes.length === 0 ? 'the body is empty' : err.message, { cause: err }))
    })
  })
}

function isCompressed(request: FastifyRequest): boolean {
  const encoding = request.headers['content-encoding']
  return encoding !== undefined && encoding.toLowerCase() !== 'identity'
}
