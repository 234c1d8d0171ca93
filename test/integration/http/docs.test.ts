import { describe, expect, it } from '@jest/globals'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const given = givenApp()
const BUNDLE = '/docs/static/swagger-ui-bundle.js'

describe.each(['/openapi.json', '/docs/errors.md', BUNDLE])('%s', path => {
  it('is the same for concurrent requests, and 304 for a client that already has it', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => given.app.client.get(path)))
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)

    const etag = answers[0]?.headers.get('etag') ?? ''
    const again = await given.app.client.request('GET', path, undefined, { 'if-none-match': `"other", ${etag}` })
    expect([again.status, again.text]).toEqual([304, ''])
    const changed = await given.app.client.request('GET', path, undefined, { 'if-none-match': '"other"' })
    expect([changed.status, changed.text]).toEqual([200, answers[0]?.text])
  })

  it('supports HEAD', async () => {
    const { status, headers, text } = await rawRequest(given.app.port, { method: 'HEAD', path })
    expect([status, text]).toEqual([200, ''])
    expect(Number(headers.get('content-length'))).toBeGreaterThan(5_000)
  })
})

const BLANKS = ' '.repeat(15_000)

describe.each(['/openapi.json', '/docs/errors.md', '/docs', BUNDLE])('%s', path => {
  it('is served at once to clients that send thousands of blanks in If-None-Match', async () => {
    const headers = { 'if-none-match': `a${BLANKS}b` }
    for (let i = 0; i < 100; i++) {
      expect((await rawRequest(given.app.port, { path, headers })).status).toBe(200)
    }
  })
})

describe.each(['/docs/static/%73wagger-ui-bundle.js', '/docs/%6ason', '/docs/static/a b.js'])('%s', path => {
  it('is 404, since each file has one spelling', async () => {
    expectProblem(await given.app.client.get(path), 404, 'not-found')
  })
})

describe('a file that Swagger UI does not have', () => {
  it('is 404, also when it is requested again', async () => {
    for (let i = 0; i < 3; i++) expectProblem(await given.app.client.get('/docs/static/nothing.js'), 404, 'not-found')
  })
})

describe.each(['/docs', '/docs/'])('the page %s', path => {
  it('names only files that exist, with their media types', async () => {
    const { text } = await given.app.client.get(path)
    const files = [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(
      ([, file = '']) => new URL(file, given.app.url + path),
    )
    const types = await Promise.all(
      files.map(async ({ pathname }) => {
        const { status, headers } = await given.app.client.get(pathname)
        return `${status} ${headers.get('content-type')?.replace(/;.*/, '')}`
      }),
    )
    const script = '200 text/javascript'
    expect(types).toEqual(['200 text/css', '200 text/css', '200 image/svg+xml', script, script])
  })
})
