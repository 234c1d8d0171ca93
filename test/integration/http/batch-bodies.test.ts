import { describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { exchange, rawRequest } from './raw-http.ts'

const given = givenApp()
const MAX_BYTES = 4 * 1024 * 1024
const KEY = 'whoever'

/** `POST /check/batch` with these bytes as its body. */
function postBatch(body: string | Buffer, headers: Readonly<Record<string, string>> = {}) {
  const fields = { 'content-type': 'application/json', ...headers }
  return rawRequest(given.app.port, { method: 'POST', path: '/check/batch', headers: fields, body })
}

/** A batch that spends from a key unless it is refused, with one more check. */
const with1 = (check: string) => `{"checks":[{"key":"${KEY}"},${check}]}`

/** Every byte of the key written as `\u0061`. */
const longest = `{"key":"${'\\u0061'.repeat(256)}","tokens":0}`

describe('the body of a batch', () => {
  it.each([
    ['{}', '/checks', 'is missing'],
    ['{"checks":null}', '/checks', 'must be array; was null'],
    ['{"checks":{"length":1,"0":{"key":"k"}}}', '/checks', 'must be array; was an object'],
    ['{"checks":[]}', '/checks', 'must have 1 to 1000 items; has 0'],
    [`{"checks":[{"key":"${KEY}"}],"dryRun":true}`, '/dryRun', 'is unknown; allowed: checks'],
    [`{"checks":[{"key":"${KEY}"}],"__proto__":{}}`, '/__proto__', 'is unknown; allowed: checks'],
    [with1('{"key":"a","Tokens":1}'), '/checks/1/Tokens', 'is unknown; allowed: key, tokens, policy'],
    [with1('{"key":"a","__proto__":1}'), '/checks/1/__proto__', 'is unknown; allowed: key, tokens, policy'],
    [with1('{"tokens":1}'), '/checks/1/key', 'is missing'],
    [with1('null'), '/checks/1', 'must be object; was null'],
    [with1('"k"'), '/checks/1', 'must be object; was "k"'],
    [with1('["k"]'), '/checks/1', 'must be object; was an array'],
    [with1('{"key":"a","tokens":1.5}'), '/checks/1/tokens', 'must be an integer from 0 to 1000000000; was 1.5'],
    [with1('{"key":"a","tokens":1000000001}'), '/checks/1/tokens', /was 1000000001$/],
    [with1('{"key":"a","tokens":-1}'), '/checks/1/tokens', /was -1$/],
    [with1('{"key":"a","tokens":1e400}'), '/checks/1/tokens', /was Infinity$/],
    [with1('{"key":"a","tokens":"1"}'), '/checks/1/tokens', /was "1"$/],
    [with1('{"key":"a","tokens":null}'), '/checks/1/tokens', /was null$/],
  ])('may not be %.60s', async (body, path, message) => {
    const answer = await postBatch(body)
    expectFields(answer, 'validation-failed', [path])
    expect(answer.body.errors[0].message).toMatch(message)
  })

  it.each([['[]'], ['null'], ['5']])('may not be %s instead of an object', async body => {
    expectFields(await postBatch(body), 'validation-failed', [''])
  })

  it('must be JSON, and not empty', async () => {
    for (const body of ['', '{"checks":[']) expectProblem(await postBatch(body), 400, 'body-malformed')
    expectProblem(await postBatch(with1(longest), { 'content-type': 'text/plain' }), 415, 'media-type-unsupported')
  })

  it.each([
    ['""', /empty/],
    [`"${'x'.repeat(257)}"`, /257 bytes/],
    ['"."', /"\."/],
    ['"a\\u0085"', /U\+0085/],
    ['"\\ud800"', /lone surrogate/],
  ])('may not have the key %.12s', async (key, message) => {
    const answer = await postBatch(with1(`{"key":${key}}`))
    expectFields(answer, 'key-invalid', ['/checks/1/key'])
    expect(answer.body.detail).toMatch(message)
  })

  it('has every invalid check named in order, even if all are invalid, and ten of them in the detail', async () => {
    const checks = Array.from({ length: 1000 }, (_, i) => (i % 2 ? { key: '..' } : { key: i, x: 1, y: 1 }))
    const answer = await postBatch(JSON.stringify({ checks }))
    expectProblem(answer, 400, 'validation-failed')
    const indexes = answer.body.errors.map(({ path }: { path: string }) => Number(path.split('/')[2]))
    expect([...new Set(indexes)]).toEqual([...checks.keys()])
    expect(answer.body.errors[19].message).toMatch(/".."/)
    expect(answer.body.errors[20]).toEqual({ path: '/checks/20', message: 'is invalid; the first 20 are explained' })
    expect(answer.body.detail).toMatch(/; and 990 more$/)
  })

  it('that is refused spends nothing', async () => {
    expect((await given.app.client.check(KEY, 0)).body).toMatchObject({ remaining: 100 })
  })
})

describe('a batch may have 4 MiB', () => {
  const full = `{"checks":[${Array(1000).fill(longest)}]}`

  it.each([{}, { 'transfer-encoding': 'chunked' }])('and 1,000 checks, sent with %j', async headers => {
    const { status, body } = await postBatch(full.padEnd(MAX_BYTES), headers)
    expect([status, body.results.length]).toEqual([200, 1000])
    expect(body.results[999]).toMatchObject({ allowed: true, key: 'a'.repeat(256), remaining: 100 })
  })

  it('and keys in any script', async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `${i}-ключ-鍵-🔑`)
    const checks = keys.map(key => ({ key, tokens: 0 }))
    const { status, body } = await postBatch(JSON.stringify({ checks }).padEnd(MAX_BYTES / 2))
    expect(status).toBe(200)
    expect(body.results.map(({ key }: { key: string }) => key)).toEqual(keys)
  })

  it.each([
    ['announced', `content-length: ${MAX_BYTES + 1}\r\n\r\n`, ''],
    ['chunked', `transfer-encoding: chunked\r\n\r\n${(MAX_BYTES + 1).toString(16)}\r\n`, '\r\n0\r\n\r\n'],
  ])('but not a byte more, %s; the connection remains usable', async (_, framing, end) => {
    const head = 'POST /check/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'
    const next = 'GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'
    const text = await exchange(given.app.port, head + framing, full.padEnd(MAX_BYTES + 1), end, next)
    expect(text.match(/HTTP\/1\.1 [0-9]+|"code":"[^"]*"|4194304/g)).toEqual([
      'HTTP/1.1 413',
      '4194304',
      '"code":"body-too-large"',
      'HTTP/1.1 200',
    ])
  })

  it('but more than 1,000 checks are refused with their number', async () => {
    const answer = await postBatch(`{"checks":[${Array(1001).fill('{"key":"a","tokens":0}')}]}`)
    expectFields(answer, 'validation-failed', ['/checks'])
    expect(answer.body.errors[0].message).toBe('must have 1 to 1000 items; has 1001')
  })

  it.each([
    ['two million numbers', `{"checks":[${'0,'.repeat(2_000_000)}0]}`, ''],
    ['300,000 unknown members', `{"checks":[{"key":"a"${members(300_000)}}]}`, ''],
    ['300,000 members next to the checks', `{"checks":[{"key":"a"}]${members(300_000)}}`, ''],
    ['a member with a name of millions of letters', `{"checks":[{"${'x'.repeat(4_000_000)}":1}]}`, '/checks/0/key'],
  ])('but not with %s, which gets a short answer', async (_, body, path) => {
    const answer = await postBatch(body)
    expectFields(answer, 'validation-failed', [path])
    expect(answer.text.length).toBeLessThan(1_000)
  })

  it('but brackets nested two million deep are refused as malformed', async () => {
    const answer = await postBatch(`{"checks":${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}}`)
    expectProblem(answer, 400, 'body-malformed')
    expect(answer.body.detail).toContain('8 levels')
  })
})

function members(count: number): string {
  return Array.from({ length: count }, (_, i) => `,"${i}":0`).join('')
}
