import { describe, expect, it } from '@jest/globals'
import { throttle as expressThrottle } from '../../../clients/typescript/src/express.ts'
import { throttle as fastifyThrottle } from '../../../clients/typescript/src/fastify.ts'
import { Throttler } from '../../../clients/typescript/src/index.ts'

const VALID = { url: 'http://127.0.0.1:8080', onFailure: 'allow' as const }
const create = (options: unknown) => () => new Throttler(options as never)

describe('the options of Throttler', () => {
  it.each([
    [VALID],
    [{ ...VALID, url: new URL('https://gateway.example/limits/') }],
    [{ ...VALID, timeoutMs: 1, token: 'a-token', onError: () => undefined, shareCalls: false }],
    [{ ...VALID, timeoutMs: undefined, token: undefined, onError: undefined, shareCalls: undefined }],
  ])('can be %j', options => {
    expect(create(options)).not.toThrow()
  })

  it.each([
    ['url', { url: undefined }],
    ['url', { url: '127.0.0.1:8080' }],
    ['url', { url: 'localhost:8080' }],
    ['url', { url: '/check' }],
    ['url', { url: 'ftp://127.0.0.1' }],
    ['url', { url: 'redis://127.0.0.1:6379' }],
    ['url', { url: 'http://127.0.0.1:8080?a=b' }],
    ['url', { url: 'http://127.0.0.1:8080#a' }],
    ['url', { url: 'http://user:secret@127.0.0.1:8080' }],
    ['onFailure', { onFailure: undefined }],
    ['onFailure', { onFailure: 'ignore' }],
    ['timeoutMs', { timeoutMs: 0 }],
    ['timeoutMs', { timeoutMs: -1 }],
    ['timeoutMs', { timeoutMs: 1.5 }],
    ['timeoutMs', { timeoutMs: Number.NaN }],
    ['timeoutMs', { timeoutMs: 2 ** 31 }],
    ['timeoutMs', { timeoutMs: '500' }],
    ['timeoutMs', { timeoutMs: null }],
    ['token', { token: '' }],
    ['token', { token: 'secret\n' }],
    ['token', { token: 42 }],
    ['onError', { onError: 'log' }],
    ['shareCalls', { shareCalls: 'yes' }],
    ['timeout', { timeout: 500 }],
  ])('are refused with an error that names "%s": %p', (name, wrong) => {
    const error = thrownBy(create({ ...VALID, ...wrong }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toMatch(new RegExp(`^"${name}" `))
    expect(error.message).not.toContain('secret')
  })

  it.each([[undefined], [null], ['http://127.0.0.1:8080']])('must be an object, not %p', options => {
    expect(thrownBy(create(options))).toBeInstanceOf(TypeError)
  })
})

describe('the options of the middleware', () => {
  const throttler = new Throttler(VALID)
  const key = () => 'a'

  it.each([
    ['throttler', { key }],
    ['throttler', { throttler: {}, key }],
    ['throttler', { throttler: { check: key }, key }],
    ['key', { throttler }],
    ['key', { throttler, key: 'ip' }],
    ['tokens', { throttler, key, tokens: 2 }],
    ['policy', { throttler, key, policy: 'plan:gold' }],
    ['countOnly', { throttler, key, countOnly: 'successes' }],
    ['onDenied', { throttler, key, onDenied: true }],
    ['limit', { throttler, key, limit: 100 }],
  ])('are refused with an error that names "%s"', async (name, options) => {
    const message = new RegExp(`^"${name}" `)
    expect(() => expressThrottle(options as never)).toThrow(message)
    await expect(fastifyThrottle({ addHook: () => undefined } as never, options as never)).rejects.toThrow(message)
  })
})

function thrownBy(call: () => unknown): Error {
  try {
    call()
  } catch (err) {
    return err as Error
  }
  throw new Error('nothing was thrown')
}
