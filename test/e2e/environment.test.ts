import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { failToStart } from '../support/start-failure.ts'

describe('a start with an invalid environment', () => {
  it('reports every invalid variable at once, with the given and the allowed values, and ends with exit code 1', async () => {
    const { code, said } = await failToStart('all', {
      PORT: 'http',
      WEB_CONCURRENCY: '0',
      ON_STORE_FAILURE: 'maybe',
      KEY_PREFIX: 'a b',
    })
    expect(code).toBe(1)
    expect(said.split('\n')).toEqual([
      'throttler cannot start. Invalid settings:',
      '  "PORT" must be an integer between 0 and 65535 (got "http")',
      '  "WEB_CONCURRENCY" must be an integer between 1 and 512 (got "0")',
      '  "KEY_PREFIX" must have 1 to 64 characters, each a letter, a digit or one of . _ : - (got "a b")',
      '  "ON_STORE_FAILURE" must be one of local, allow, deny (got "maybe")',
    ])
  })

  it.each(['api', 'worker'] as const)('requires REDIS_URL if the %s is started alone', async kind => {
    const { code, said } = await failToStart(kind, {})
    expect([code, said]).toEqual([1, expect.stringMatching(/^throttler cannot start.*\n {2}"REDIS_URL" must be set/)])
  })

  it('refuses to listen beyond loopback without tokens', async () => {
    const { code, said } = await failToStart('all', { HOST: '0.0.0.0' })
    expect([code, said]).toEqual([
      1,
      expect.stringContaining('"HOST" must be a loopback address unless "ADMIN_TOKENS" is set'),
    ])
  })

  it('names HOST if this machine has no such address', async () => {
    const { code, said } = await failToStart('all', { HOST: '192.0.2.1', ADMIN_TOKENS: 'ann:0123456789abcdef' })
    const fault = /"HOST" must be an address of this machine, or a name of one \(got "192\.0\.2\.1": .*EADDRNOTAVAIL/
    expect([code, said]).toEqual([1, expect.stringMatching(fault)])
  })

  it.each(['all', 'api'] as const)('reports once that a port is taken (%s)', async kind => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const { code, said } = await failToStart(kind, {
      PORT: String(port),
      ...(kind === 'api' && { REDIS_URL: 'redis://127.0.0.1:1' }),
    })
    server.close()
    expect(code).toBe(1)
    expect(
      said.match(new RegExp(`throttler cannot start. cannot listen on 127.0.0.1:${port}: .*EADDRINUSE`, 'g')),
    ).toHaveLength(1)
  })
})
