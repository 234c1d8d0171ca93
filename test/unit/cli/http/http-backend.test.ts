import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest, RequestListener } from 'node:http'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from '@jest/globals'
import { NegativeAnswer } from '../../../../src/cli/backend/failure.ts'
import { ServiceClient } from '../../../../src/cli/http/client.ts'
import { exportTo } from '../../../../src/cli/http/export-to.ts'
import { HttpBackend } from '../../../../src/cli/http/http-backend.ts'
import { serviceUrl } from '../../../../src/cli/http/service-url.ts'
import { AnsweringServer, problem, sendJson, TOKEN } from '../../../support/answering-server.ts'

const NO_LIMIT = { timeoutMs: Number.POSITIVE_INFINITY, say: () => undefined }
const POLICY = '{"capacity":1,"refillTokens":1}'

const server = new AnsweringServer()

async function backendOf(...args: Parameters<AnsweringServer['clientOf']>) {
  return new HttpBackend(await server.clientOf(...args))
}

describe('requests to the service', () => {
  it('carry the token, and the key percent-encoded under the path of the URL', async () => {
    const seen: unknown[] = []
    const backend = await backendOf(
      ({ method, url, headers }, response) => {
        seen.push([method, url, headers.authorization])
        if (method === 'GET') sendJson(response, 200, { key: 'user/42 é?' })
        else response.writeHead(204).end()
      },
      { path: '/limits/' },
    )
    await backend.reset('user/42 é?')
    const path = '/limits/buckets/user%2F42%20%C3%A9%3F'
    expect(seen).toEqual([
      ['GET', `${path}?tokens=0`, `Bearer ${TOKEN.value}`],
      ['DELETE', path, `Bearer ${TOKEN.value}`],
    ])
  })

  it('of a change carry its conditions, its reason in UTF-8, and the policy as it was given', async () => {
    const seen: unknown[] = []
    const backend = await backendOf(async (request, response) => {
      const { 'if-match': ifMatch, 'x-change-reason': reason, prefer } = request.headers
      seen.push([ifMatch, Buffer.from(String(reason), 'latin1').toString(), prefer, await text(request)])
      sendJson(response, 200, { version: 1 })
    })
    const change = {
      type: 'put',
      key: 'a',
      policy: ` ${POLICY}`,
      reason: 'größer',
      conditions: { ifMatch: [3] },
    } as const
    await backend.change(change, NO_LIMIT)
    await backend.change(change, { ...NO_LIMIT, timeoutMs: 1000 })
    expect(seen).toEqual([
      ['"3"', 'größer', 'wait=2', ` ${POLICY}`],
      ['"3"', 'größer', 'wait=1', ` ${POLICY}`],
    ])
  })

  it('leave no listeners on the connection that they share', async () => {
    const listeners: number[] = []
    const onAnswer = (message: unknown) => {
      const { request } = message as { request: ClientRequest }
      listeners.push(request.socket?.listenerCount('connect') ?? 0)
    }
    const backend = await backendOf((_, response) => sendJson(response, 200, { version: 1 }))
    subscribe('http.client.response.finish', onAnswer)
    try {
      for (let i = 0; i < 12; i++) await backend.get('a')
    } finally {
      unsubscribe('http.client.response.finish', onAnswer)
    }
    expect(listeners).toHaveLength(12)
    expect(new Set(listeners).size).toBe(1)
  })

  it('of a history ask for page after page', async () => {
    const seen: unknown[] = []
    const backend = await backendOf(({ url }, response) => {
      seen.push(url)
      sendJson(
        response,
        200,
        seen.length < 3 ? { events: [{ n: seen.length }], nextCursor: `c+${seen.length}` } : { events: [{ n: 3 }] },
      )
    })
    const pages = []
    for await (const page of backend.history('a')) pages.push(page)
    expect(pages).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]])
    expect(seen).toEqual(
      [undefined, '&cursor=c%2B1', '&cursor=c%2B2'].map(q => `/config/a/history?limit=100${q ?? ''}`),
    )
  })
})

describe('a change of a key that a proxy could change in the path', () => {
  const KEY = 'tmp/../a'

  /** The methods of the requests for a deletion, and how it ended, if the service answers GET like this. */
  async function deleteAfter(answer: RequestListener) {
    const methods: unknown[] = []
    const backend = await backendOf((request, response) => {
      methods.push(request.method)
      if (request.method === 'GET') return answer(request, response)
      return response.writeHead(204).end()
    })
    const end = await backend.change({ type: 'delete', key: KEY }, NO_LIMIT).catch((err: Error) => err)
    return { methods, end }
  }

  it.each<[string, RequestListener]>([
    ['its policy', (_, response) => sendJson(response, 200, { key: KEY, version: 1 })],
    ['that it has none', (_, response) => sendJson(response, 404, { code: 'policy-not-found', detail: 'd', key: KEY })],
  ])('is sent once the service has answered with %s', async (_, answer) => {
    expect((await deleteAfter(answer)).methods).toEqual(['GET', 'DELETE'])
  })

  it.each<[string, RequestListener, RegExp]>([
    [
      'the policy of another key',
      (_, response) => sendJson(response, 200, { key: 'a', version: 1 }),
      /^http:\S+ has answered for the key "a" instead of "tmp\/\.\.\/a": a proxy changes the path of requests; .*configure it$/,
    ],
    [
      'that another key has none',
      (_, response) => sendJson(response, 404, { code: 'policy-not-found', detail: 'd', key: 'a' }),
      /has answered for the key "a" instead of/,
    ],
    [
      'that there is no such path',
      problem(404, 'not-found', 'there is nothing at /a'),
      /has not answered for the key "tmp\/\.\.\/a" \(there is nothing at \/a\): a proxy changes the path/,
    ],
    ['another resource', (_, response) => response.end('{"key":"a"}\n{"key":"b"}'), /has not answered for the key/],
    [
      'an outage',
      problem(503, 'config-store-unavailable', 'unavailable'),
      /^unavailable \(503 config-store-unavailable/,
    ],
    [
      'a page of a proxy',
      (_, response) => response.writeHead(404).end('<html>'),
      /which is not an answer of Throttler$/,
    ],
  ])('is not sent if the service answers with %s', async (_, answer, message) => {
    const { methods, end } = await deleteAfter(answer)
    expect(methods).toEqual(['GET'])
    expect(end).toMatchObject({ message: expect.stringMatching(message) })
  })

  it('is uncertain if only its own answer is about another key', async () => {
    const backend = await backendOf((_, response) => sendJson(response, 200, { key: 'b', version: 1 }))
    const change = backend.change({ type: 'put', key: 'a', policy: POLICY }, NO_LIMIT)
    await expect(change).rejects.toThrow(
      /answered for the key "b" instead of "a": .*; the request may have taken effect$/,
    )
  })
})

describe('a denied check', () => {
  it.each(['quota-exceeded', 'blocked'])('is a decision (%s)', async code => {
    const body = {
      type: 'urn:x',
      title: 'T',
      status: 429,
      instance: 'urn:y',
      code,
      detail: 'd',
      allowed: false,
      key: 'a',
    }
    const backend = await backendOf((_, response) => sendJson(response, 429, body))
    expect(await backend.check({ key: 'a', tokens: 1 })).toEqual({ code, detail: 'd', allowed: false, key: 'a' })
  })
})

describe('a change that is accepted but not applied yet', () => {
  /** A service whose command ends at the third question. */
  const endsWith = (end: object): RequestListener => {
    let asked = 0
    return ({ url = '' }, response) => {
      if (!url.startsWith('/commands/')) {
        if (url.includes('?version=')) return sendJson(response, 200, { key: 'a', version: Number(url.split('=')[1]) })
        return sendJson(response, 202, { commandId: '1-x', status: 'queued' })
      }
      return sendJson(response, 200, ++asked < 3 ? { id: '1-x', status: 'queued' } : { id: '1-x', ...end })
    }
  }

  it('is awaited, and its policy is read at the new version', async () => {
    const said: string[] = []
    const backend = await backendOf(endsWith({ status: 'applied', version: 7 }))
    const wait = { ...NO_LIMIT, say: (text: string) => void said.push(text) }
    expect(await backend.change({ type: 'put', key: 'a', policy: POLICY }, wait)).toEqual({ key: 'a', version: 7 })
    expect(said).toEqual(['waiting for command 1-x; it is applied once a worker takes it'])
  })

  it('is awaited although the service cannot answer in between', async () => {
    let asked = 0
    const backend = await backendOf(({ url = '' }, response) => {
      if (!url.startsWith('/commands/')) return sendJson(response, 202, { commandId: '1-x', status: 'queued' })
      if (++asked === 1) return sendJson(response, 503, { code: 'config-store-unavailable', detail: 'unavailable' })
      if (asked === 2) return response.destroy()
      return sendJson(response, 200, { id: '1-x', status: 'applied', version: 1 })
    })
    expect(await backend.change({ type: 'delete', key: 'a' }, NO_LIMIT)).toBeUndefined()
    expect(asked).toBe(3)
  })

  it('is not awaited without a token for its status', async () => {
    const backend = await backendOf(({ url = '' }, response) => {
      if (!url.startsWith('/commands/')) return sendJson(response, 202, { commandId: '1-x', status: 'queued' })
      return sendJson(response, 403, { code: 'forbidden', detail: 'not allowed' })
    })
    await expect(backend.change({ type: 'delete', key: 'a' }, NO_LIMIT)).rejects.toThrow(/^not allowed \(403 forbidden/)
  })

  it('has no policy if it is a deletion', async () => {
    const backend = await backendOf(endsWith({ status: 'applied', version: 7 }))
    expect(await backend.change({ type: 'delete', key: 'a' }, NO_LIMIT)).toBeUndefined()
  })

  it('is a negative answer if it is rejected', async () => {
    const error = { code: 'version-conflict', detail: 'the policy is at version 2' }
    const backend = await backendOf(endsWith({ status: 'rejected', error }))
    const change = backend.change({ type: 'delete', key: 'a' }, NO_LIMIT)
    await expect(change).rejects.toThrow(new NegativeAnswer('the policy is at version 2'))
  })

  it('is given up after the timeout', async () => {
    const backend = await backendOf(endsWith({ status: 'queued' }))
    const change = backend.change({ type: 'delete', key: 'a' }, { ...NO_LIMIT, timeoutMs: 1000 })
    await expect(change).rejects.toThrow(/^command 1-x has not ended within 1 s; it stays queued/)
  })
})

describe('a failure is one line that names what went wrong', () => {
  const failures: [string, RequestListener, RegExp][] = [
    [
      'a wrong token',
      problem(401, 'unauthorized', 'send a valid token'),
      /^URL does not accept the token of THROTTLER_TOKEN \(401 unauthorized\)$/,
    ],
    ['a token that may not', problem(403, 'forbidden', 'may only read'), /^may only read \(403 forbidden from URL\)$/],
    [
      'too many calls',
      problem(429, 'admin-limit-exceeded', 'too many', { 'retry-after': '3' }),
      /^too many \(429 admin-limit-exceeded from URL; retry after 3 s\)$/,
    ],
    [
      'an unavailable store',
      problem(503, 'config-store-unavailable', 'unavailable', { 'retry-after': '1' }),
      /^unavailable \(503 config-store-unavailable from URL; retry after 1 s; the request may have taken effect\)$/,
    ],
    ['a service that is stopping', problem(503, 'draining', 'stopping'), /^stopping \(503 draining from URL\)$/],
    [
      'a detail of several lines',
      problem(400, 'validation-failed', 'a\n b'),
      /^a b \(400 validation-failed from URL\)$/,
    ],
    [
      'a proxy',
      (_, response) => response.writeHead(502).end('<html>'),
      /^URL answered 502 Bad Gateway, which is not an answer of Throttler; the request may have taken effect$/,
    ],
    [
      'another server',
      (_, response) => response.end('<html>'),
      /^URL answered 200, but not as Throttler does; is this the URL of the service\?$/,
    ],
    [
      'a redirection',
      (_, response) => response.writeHead(301, { location: 'https://example.com/' }).end(),
      /^URL redirects to https:\/\/example\.com\/; give the URL of the service itself$/,
    ],
    [
      'a lost connection',
      request => request.socket.destroy(),
      /^cannot reach URL: .*hang up.*; the request may have taken effect$/,
    ],
    [
      'an incomplete answer',
      (_, response) => response.writeHead(200, { 'content-length': '100' }).write('{', () => response.destroy()),
      /^the answer of URL is incomplete: aborted; the request may have taken effect$/,
    ],
    ['no answer', () => undefined, /^cannot reach URL: no answer within 0\.2 s; the request may have taken effect$/],
  ]

  it.each(failures)('%s', async (_, listener, message) => {
    const backend = await backendOf(listener, { idleTimeoutMs: 200 })
    const change = backend.change({ type: 'put', key: 'a', policy: POLICY }, NO_LIMIT)
    const err = await change.catch((cause: unknown) => cause)
    if (!(err instanceof Error)) throw new Error('it succeeded')
    expect(err.message.replaceAll(server.url, 'URL')).toMatch(message)
    expect(err.message).not.toContain(TOKEN.value)
  })

  it('no token', async () => {
    await server.clientOf(problem(401, 'unauthorized', 'send a valid token'))
    const backend = new HttpBackend(new ServiceClient({ url: serviceUrl(server.url) }))
    await expect(backend.get('a')).rejects.toThrow(/requires a token .*; set THROTTLER_TOKEN or give --token-file$/)
  })

  it('a request that only reads, or is a dry run, has no effect', async () => {
    const backend = await backendOf(request => request.socket.destroy())
    await expect(backend.get('a')).rejects.toThrow(/hang up$/)
    await expect(backend.dryRun('a', POLICY)).rejects.toThrow(/hang up$/)
  })

  it.each(['put', 'rollback'] as const)('an answer without content is not one to a change (%s)', async type => {
    const backend = await backendOf((_, response) => response.writeHead(204).end())
    const change = backend.change({ type, key: 'a', policy: POLICY, version: 1 }, NO_LIMIT)
    await expect(change).rejects.toThrow('answered 204, but not as Throttler does')
  })

  it.each([
    ['a member that is not a list', { events: {} }],
    ['an event that is not an object', { events: [null] }],
    ['a cursor that stays the same', { events: [], nextCursor: 'c' }],
  ])('%s is no history', async (_, body) => {
    const backend = await backendOf((_, response) => sendJson(response, 200, body))
    const read = async () => {
      let pages = 0
      for await (const _ of backend.history('a')) if (++pages > 10) return
    }
    await expect(read()).rejects.toThrow('answered 200, but not as Throttler does')
  })

  it('JSON of another server is no decision', async () => {
    const backend = await backendOf((_, response) => sendJson(response, 200, { ok: true }))
    await expect(backend.check({ key: 'a', tokens: 1 })).rejects.toThrow('but not as Throttler does')
  })

  it('a page of a proxy is no export', async () => {
    const client = await server.clientOf((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    )
    const written: unknown[] = []
    const output = new Writable({ write: (part, _, done) => done(void written.push(part)) })
    await expect(exportTo(output, client, () => undefined)).rejects.toThrow('but not as Throttler does')
    expect(written).toEqual([])
  })

  it('a missing policy is a negative answer', async () => {
    const backend = await backendOf(problem(404, 'policy-not-found', 'the key "a" has no policy'))
    await expect(backend.get('a')).rejects.toThrow(new NegativeAnswer('the key "a" has no policy'))
  })
})
