import { describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { postCheck, rawRequest } from './raw-http.ts'

const given = givenApp()
const POLICY = { capacity: 7, refillTokens: 1 }

const ALLOWED = [
  'a',
  ' ',
  'x'.repeat(256),
  'ü'.repeat(128),
  '😀'.repeat(64),
  '...',
  'a/b',
  'a?b#c&d=e+f;g',
  '%2F',
  '%',
  '"\\',
  '日本',
  '\u00a0\u200b\ufeff',
  'é',
  'e\u0301',
  '{acme}:search',
  '__proto__',
]

const INVALID: [key: string, detail: RegExp][] = [
  ['x'.repeat(257), /257 bytes; 1 to 256 bytes/],
  [`${'ü'.repeat(128)}x`, /257 bytes/],
  [`${'😀'.repeat(64)}x`, /257 bytes/],
  ['.', /"\."/],
  ['..', /"\.\."/],
  ['a\u0000b', /U\+0000/],
  ['a\nb', /U\+000A/],
  ['a\u001f', /U\+001F/],
  ['a\u007f', /U\+007F/],
  ['\u009f', /U\+009F/],
]

describe('a key in a body', () => {
  it.each([...ALLOWED, 'a*b', '*', 'default', 'export'])('may be %j, and is returned unchanged', async key => {
    const answer = await given.app.client.check(key)
    expect(answer.status).toBe(200)
    expect(answer.body.key).toBe(key)
  })

  it.each([['', /empty/] as const, ...INVALID])('may not be %j', async (key, detail) => {
    const answer = await given.app.client.check(key)
    expectFields(answer, 'key-invalid', ['/key'])
    expect(answer.body.detail).toMatch(detail)
  })

  it.each(['"\\ud800"', '"a\\udfffb"', '"\\udc00\\ud800"'])('may not have a lone surrogate: %s', async key => {
    const answer = await postCheck(given.app.port, `{"key":${key}}`)
    expectFields(answer, 'key-invalid', ['/key'])
    expect(answer.body.detail).toMatch(/lone surrogate/)
  })

  it('is compared byte by byte', async () => {
    for (const key of ['cafe\u0301', 'caf\u00e9', 'CAF\u00c9']) {
      expect((await given.app.client.check(key)).body.remaining).toBe(99)
    }
  })
})

describe('a key in a path', () => {
  it.each([...ALLOWED, '*', 'ü*', 'a/b*', ' *'])('may be %j, and is returned unchanged', async key => {
    expect((await given.app.client.put(key, POLICY)).body.key).toBe(key)
    const path = `/config/${encodeURIComponent(key)}`
    expect((await rawRequest(given.app.port, { path })).body).toMatchObject({ key, version: 1 })
  })

  it('may be written with all its bytes encoded, 768 characters', async () => {
    const key = 'ü'.repeat(128)
    const path = `/config/${[...Buffer.from(key)].map(byte => `%${byte.toString(16)}`).join('')}`
    expect(path).toHaveLength('/config/'.length + 768)
    expect((await rawRequest(given.app.port, { path })).body).toMatchObject({ key, version: 1 })
  })

  it.each([
    ['', /empty/] as const,
    ...INVALID,
    ['a*b', /position 2; "\*" is allowed only at the end/] as const,
    ['**', /position 1/] as const,
    ['x'.repeat(15_000), /15000 bytes/] as const,
  ])('may not be %.20j', async (key, detail) => {
    const path = `/config/${encodeURIComponent(key)}`
    for (const method of ['GET', 'DELETE']) {
      const answer = await rawRequest(given.app.port, { method, path })
      expectFields(answer, 'key-invalid', ['/params/key'])
      expect(answer.body.detail).toMatch(detail)
    }
  })

  it.each(['%2e', '%2e%2e', '.%2E', '..'])('is not removed by normalization: /config/%s', async key => {
    expectFields(await rawRequest(given.app.port, { path: `/config/${key}` }), 'key-invalid', ['/params/key'])
  })

  it.each(['%ZZ', '%', '%4', 'a%FFb', '%E2%82', '%C0%AF', '%ED%A0%80'])(
    'must be validly percent-encoded UTF-8, not %s',
    async key => {
      const answer = await rawRequest(given.app.port, { path: `/config/${key}` })
      expectFields(answer, 'key-invalid', ['/params/key'])
      expect(answer.body.detail).toContain(`/config/${key}`)
    },
  )

  it.each(['export', 'import', 'default'])('may not be %s, which is reserved', async key => {
    for (const [method, body] of [['PUT', JSON.stringify(POLICY)] as const, ['DELETE', ''] as const]) {
      const headers = { ...(body !== '' && { 'content-type': 'application/json' }) }
      const answer = await rawRequest(given.app.port, { method, path: `/config/${key}`, headers, body })
      expectFields(answer, 'key-reserved', ['/params/key'])
      expect(answer.body.detail).toContain(key)
    }
  })

  it.each(['/%ZZ', '/config/a/%ZZ', '/commands/%ZZ'])(
    'is not reported as invalid for a path that does not exist: %s',
    async path => {
      expectProblem(await rawRequest(given.app.port, { path }), 404, 'not-found')
    },
  )
})
