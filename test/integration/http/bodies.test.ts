import { connect } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { eventually } from '../../support/eventually.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { exchange, postCheck, rawRequest } from './raw-http.ts'

/** What is logged of requests. On a busy machine, checks are slow, and a connection to the store may be slow to come. */
const lines: string[] = []
const write = (line: string) => {
  if (!/"connection":|slow check/.test(line)) lines.push(line)
}
const logger = pino({ level: 'warn' }, { write })
const given = givenApp({ logger })
const KEY = 'whoever'
const CHECK = JSON.stringify({ key: KEY })

afterEach(async () => {
  const answer = await given.app.client.check(KEY, 0)
  expect(answer.body).toMatchObject({ allowed: true, remaining: 100 })
  expect(lines).toEqual([])
})

describe('a body that is not JSON in UTF-8 is refused as malformed:', () => {
  it.each([
    ['text', 'nope', /not JSON/],
    ['NaN', 'NaN', /not JSON/],
    ['half of an object', '{"key":', /not JSON/],
    ['two values', `${CHECK}${CHECK}`, /not JSON/],
    ['with a comment', `/* */${CHECK}`, /not JSON/],
    ['in single quotes', "{'key':'a'}", /not JSON/],
    ['with a byte order mark', `\uFEFF${CHECK}`, /byte order mark/],
    ['with bytes that are not UTF-8', Buffer.from('{"key":"\xff"}', 'latin1'), /UTF-8/],
    ['in UTF-16', Buffer.from(CHECK, 'utf16le'), /not JSON/],
    ['brackets nested deeply and never closed', '['.repeat(60_000), /8 levels/],
    ['brackets nested nine deep', `${'['.repeat(9)}${']'.repeat(9)}`, /8 levels/],
    ['objects nested nine deep', `${'{"a":'.repeat(9)}1${'}'.repeat(9)}`, /8 levels/],
  ])('%s', async (_, body, detail) => {
    const answer = await postCheck(given.app.port, body)
    expectProblem(answer, 400, 'body-malformed')
    expect(answer.body.detail).toMatch(detail)
  })

  it.each([{}, { 'content-type': 'application/json' }])('empty, with %j', async headers => {
    const answer = await rawRequest(given.app.port, { method: 'POST', path: '/check', headers })
    expectProblem(answer, 400, 'body-malformed')
    expect(answer.body.detail).toMatch(/empty/)
  })
})

describe('a body that is JSON but not an object is refused:', () => {
  it.each([
    ['[]', 'an array'],
    [`[${CHECK}]`, 'an array'],
    ['1', '1'],
    ['null', 'null'],
    ['true', 'true'],
    ['"text"', '"text"'],
    [`${'['.repeat(8)}${']'.repeat(8)}`, 'an array'],
  ])('%.20s', async (body, was) => {
    const answer = await postCheck(given.app.port, body)
    expectFields(answer, 'validation-failed', [''])
    expect(answer.body.detail).toBe(`the body: must be object; was ${was}`)
  })
})

describe('the media type', () => {
  it.each([
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
  ])('may be %s', async type => {
    const answer = await postCheck(given.app.port, '{"key":"whoever","tokens":0}', { 'content-type': type })
    expect(answer.status).toBe(200)
  })

  it.each([
    'text/plain',
    'text/json',
    'application/jsonp',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=latin1',
    'application/json; charset=utf-16',
    'nonsense',
    '',
  ])('may not be %j', async type => {
    expectProblem(await postCheck(given.app.port, CHECK, { 'content-type': type }), 415, 'media-type-unsupported')
  })

  it('may not be missing', async () => {
    const answer = await rawRequest(given.app.port, { method: 'POST', path: '/check', body: CHECK })
    expectProblem(answer, 415, 'media-type-unsupported')
  })

  it.each(['gzip', 'GZIP', 'br', 'deflate', 'gzip, identity'])(
    'may not come with the Content-Encoding %s',
    async encoding => {
      const answer = await postCheck(given.app.port, CHECK, { 'content-encoding': encoding })
      expectProblem(answer, 415, 'media-type-unsupported')
      expect(answer.body.detail).toContain(encoding)
    },
  )
})

describe('a body may have 64 KiB', () => {
  const ofBytes = (bytes: number) => '{"key":5}'.padEnd(bytes)
  const fields = 'host: localhost\r\ncontent-type: application/json\r\n'
  const normal = `POST /check HTTP/1.1\r\n${fields}connection: close\r\ncontent-length: 29\r\n\r\n{"key":"whoever","tokens": 0}`

  it('but not a byte more', async () => {
    expectFields(await postCheck(given.app.port, ofBytes(65_536)), 'validation-failed', ['/key'])
    const answer = await postCheck(given.app.port, ofBytes(65_537))
    expectProblem(answer, 413, 'body-too-large')
    expect(answer.body.detail).toContain('65536')
  })

  it('also if its length is not announced', async () => {
    const headers = { 'transfer-encoding': 'chunked' }
    expectFields(await postCheck(given.app.port, ofBytes(65_536), headers), 'validation-failed', ['/key'])
    expectProblem(await postCheck(given.app.port, ofBytes(65_537), headers), 413, 'body-too-large')
  })

  it.each([
    ['announced', 'content-length: 1000000\r\n\r\n', ' '.repeat(1_000_000)],
    ['chunked', 'transfer-encoding: chunked\r\n\r\n', `f4240\r\n${' '.repeat(1_000_000)}\r\n0\r\n\r\n`],
  ])('and after a larger one, %s, the connection remains usable', async (_, framing, body) => {
    const text = await exchange(given.app.port, `POST /check HTTP/1.1\r\n${fields}${framing}`, body, normal)
    expect(text.match(/HTTP\/1\.1 [0-9]+|"allowed":true/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200', '"allowed":true'])
  })

  it('and after a malformed one the connection remains usable', async () => {
    const malformed = `POST /check HTTP/1.1\r\n${fields}content-length: 1\r\n\r\n{`
    const text = await exchange(given.app.port, malformed, normal)
    expect(text.match(/HTTP\/1\.1 [0-9]+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200'])
  })

  it('and a caller that disconnects while it sends one causes no error of the service', async () => {
    const socket = connect(given.app.port, '127.0.0.1')
    socket.write(`POST /check HTTP/1.1\r\n${fields}expect: 100-continue\r\ncontent-length: 50\r\n\r\n{"key"`)
    await new Promise(resolve => socket.once('data', resolve))
    socket.resetAndDestroy()
    await eventually(() => expect(socket.closed).toBe(true))
  })
})
