import { describe, expect, it } from '@jest/globals'
import { readPlainRequest } from '../../../src/http/plain-request.ts'

const LINE = 'POST /check HTTP/1.1\r\n'
const BODY = '{"key":"a"}'
const FIELDS = ['Host: localhost', 'Content-Type: application/json', `Content-Length: ${BODY.length}`]

function requestOf(fields: readonly string[], body: string | Buffer = BODY, line = LINE): Buffer {
  const head = `${line}${fields.map(field => `${field}\r\n`).join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)])
}

const read = (bytes: Buffer) => readPlainRequest(bytes, LINE)

describe('a plain request', () => {
  it('is read with the fields that its answer depends on, and its body', () => {
    const { fields, body } =
      read(requestOf([...FIELDS, 'CONNECTION: Keep-Alive', 'x-request-ID:  id-1  ', 'Accept: */*'])) ?? {}
    expect(fields).toEqual({
      host: 'localhost',
      connection: 'Keep-Alive',
      'content-type': 'application/json',
      'content-length': String(BODY.length),
      'x-request-id': 'id-1',
    })
    expect(body?.toString()).toBe(BODY)
  })

  it('may have a field without a value, bytes beyond ASCII in a value, and no body', () => {
    expect(read(requestOf(['Host:', 'X-Name: \xe9', 'Content-Length: 0'], ''))?.body).toHaveLength(0)
  })
})

describe('bytes that are for a complete parser', () => {
  const longHead = `x: ${'a'.repeat(4_096)}`
  const manyFields = Array.from({ length: 101 }, () => 'x: a')
  it.each<[string, Buffer]>([
    ['another method', requestOf(FIELDS, BODY, 'GET /check HTTP/1.1\r\n')],
    ['another path', requestOf(FIELDS, BODY, 'POST /check/batch HTTP/1.1\r\n')],
    ['another version', requestOf(FIELDS, BODY, 'POST /check HTTP/1.0\r\n')],
    ['a line that ends without CR', requestOf(FIELDS, BODY, 'POST /check HTTP/1.1\n')],
    ['no field', Buffer.from(`${LINE}\r\n`)],
    ['no Host', requestOf(FIELDS.slice(1))],
    ['two Hosts', requestOf(['host: a', ...FIELDS])],
    ['no Content-Length', requestOf(FIELDS.slice(0, 2), '')],
    ['two Content-Lengths', requestOf([...FIELDS, FIELDS[2] as string])],
    ['a Content-Length with zeros', requestOf([...FIELDS.slice(0, 2), `Content-Length: 0${BODY.length}`])],
    ['a Content-Length with a sign', requestOf([...FIELDS.slice(0, 2), `Content-Length: +${BODY.length}`])],
    ['a body that has not arrived whole', requestOf(FIELDS).subarray(0, -1)],
    ['a head that has not arrived whole', requestOf(FIELDS, '').subarray(0, -1)],
    ['a further request', Buffer.concat([requestOf(FIELDS), requestOf(FIELDS)])],
    ['a Transfer-Encoding', requestOf([...FIELDS, 'Transfer-Encoding: chunked'])],
    ['a Content-Encoding', requestOf([...FIELDS, 'Content-Encoding: identity'])],
    ['an Expect', requestOf([...FIELDS, 'Expect: 100-continue'])],
    ['an Upgrade', requestOf([...FIELDS, 'Upgrade: h2c'])],
    ['a connection that closes', requestOf([...FIELDS, 'Connection: close'])],
    ['several options of the connection', requestOf([...FIELDS, 'Connection: keep-alive, upgrade'])],
    ['a name with a space', requestOf([...FIELDS, 'x : a'])],
    ['a folded value', requestOf([...FIELDS, 'x: a\r\n b'])],
    ['a control character', requestOf([...FIELDS, 'x: a\x00'])],
    ['a tab', requestOf([...FIELDS, 'x:\ta'])],
    ['a Proxy-Connection', requestOf([...FIELDS, 'Proxy-Connection: close'])],
    ['a bare CR', requestOf([...FIELDS, 'x: a\rb'])],
    ['a field without a colon', requestOf([...FIELDS, 'x'])],
    ['a long head', requestOf([...FIELDS, longHead])],
    ['too many fields', requestOf([...FIELDS, ...manyFields])],
    ['a body that is not UTF-8', requestOf([...FIELDS.slice(0, 2), 'Content-Length: 1'], Buffer.from([0xff]))],
  ])('%s', (_what, bytes) => {
    expect(read(requestOf(FIELDS))).toBeDefined()
    expect(read(bytes)).toBeUndefined()
  })
})
