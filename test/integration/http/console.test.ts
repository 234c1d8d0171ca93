import { describe, expect, it } from '@jest/globals'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const MAX_BYTES = 150 * 1024

const given = givenApp({
  worker: false,
  variables: {
    ADMIN_TOKENS: 'a"<&b:secret-of-an-admin,eve:secret-of-a-reader:read',
    CHECK_TOKENS: 'gate:secret-of-a-caller',
  },
})
const basic = (token: string) => ({ authorization: `Basic ${btoa(`anybody:${token}`)}` })
const as = (token: string) => given.app.as(basic(token))
const filesOf = (page: string) =>
  Array.from(page.matchAll(/"(console\/[\w-]+\.(?:js|css))"/g), ([, file]) => `/${file}`)

describe('GET /', () => {
  it('leads to the console, without a token', async () => {
    const answer = await rawRequest(given.app.port, { path: '/' })
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/console'])
    expect((await rawRequest(given.app.port, { method: 'HEAD', path: '/' })).status).toBe(302)
    expectProblem(await given.app.client.request('POST', '/'), 405, 'method-not-allowed')
  })
})

describe('/console', () => {
  it('asks a browser for name and token', async () => {
    const refused = await given.app.client.get('/console')
    expectProblem(refused, 401, 'unauthorized')
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic realm="throttler", charset="UTF-8", Bearer /)
    expectProblem(await as('wrong').get('/console'), 401, 'unauthorized')
    expectProblem(await as('secret-of-a-caller').get('/console'), 403, 'forbidden')
    const foreign = { ...basic('secret-of-an-admin'), origin: 'http://evil.example' }
    expectProblem(await given.app.as(foreign).get('/console'), 403, 'forbidden')
  })

  it('is a page that loads nothing but its own files', async () => {
    const page = await as('secret-of-an-admin').get('/console?anything=1')
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.headers.get('cache-control')).toBe('no-store')
    const policy = page.headers.get('content-security-policy')
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';/)
    expect(policy).not.toContain('unsafe')
    expect(page.text).not.toMatch(/https?:\/\//)
  })

  it('knows who reads it, and whether it may change anything', async () => {
    expect((await as('secret-of-an-admin').get('/console')).text).toContain(
      '<body data-operator="a&quot;&lt;&amp;b" data-access="change">',
    )
    expect((await as('secret-of-a-reader').get('/console')).text).toContain('data-operator="eve" data-access="read"')
  })

  it('has files that browsers keep, small together, with and without compression', async () => {
    const files = filesOf((await as('secret-of-an-admin').get('/console')).text)
    expect(files).toHaveLength(3)
    let bytes = 0
    for (const path of files) {
      const headers = basic('secret-of-a-reader')
      const plain = await rawRequest(given.app.port, { path, headers })
      const packed = await rawRequest(given.app.port, { path, headers: { ...headers, 'accept-encoding': 'br, gzip' } })
      expect([plain.status, plain.headers.get('content-encoding')]).toEqual([200, null])
      expect([packed.status, packed.headers.get('content-encoding')]).toEqual([200, 'gzip'])
      for (const { headers: fields } of [plain, packed]) {
        expect(fields.get('cache-control')).toBe('private, max-age=31536000, immutable')
        expect(fields.get('vary')).toBe('accept-encoding')
        expect(fields.get('content-type')).toMatch(/^text\/(?:javascript|css); charset=utf-8$/)
      }
      expect((await as('secret-of-a-reader').get(path)).text).toBe(plain.text)
      bytes += Number(packed.headers.get('content-length'))
      expectProblem(await given.app.client.get(path), 401, 'unauthorized')
    }
    expect(bytes).toBeLessThan(MAX_BYTES)
  })

  it('has nothing else', async () => {
    for (const path of ['/console/index.html', '/console/x.js', '/console/%2e%2e%2fsrc%2fmain.js', '/console/a/b']) {
      expectProblem(await as('secret-of-an-admin').get(path), 404, 'not-found')
    }
    const slash = await rawRequest(given.app.port, { path: '/console/', headers: basic('secret-of-an-admin') })
    expect([slash.status, slash.headers.get('location')]).toEqual([302, '/console'])
    expectProblem(await as('secret-of-an-admin').request('POST', '/console'), 405, 'method-not-allowed')
  })
})
