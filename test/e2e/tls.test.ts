import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { makeCertificates } from '../support/certificates.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { itGivesTheTour } from '../support/readme.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'

const PASSWORD = 's3cr@t/%'
const LOGIN = `ann:${encodeURIComponent(PASSWORD)}`

describeWithRedis('a Redis with TLS, client certificates and a user', () => {
  let directory: string
  let redis: RedisServer
  let service: Service
  let env: Record<string, string>
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'throttler-tls-'))
    makeCertificates(join(directory, 'good'))
    makeCertificates(join(directory, 'stranger'))
    const file = (name: string) => join(directory, 'good', name)
    redis = await RedisServer.start(
      ...['--port', '0', '--tls-port', '{port}', '--tls-auth-clients', 'yes'],
      ...[
        '--tls-ca-cert-file',
        file('ca.pem'),
        '--tls-cert-file',
        file('server.pem'),
        '--tls-key-file',
        file('server.key'),
      ],
      ...['--user', 'default', 'off', '--user', 'ann', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'],
    )
    env = {
      REDIS_URL: `rediss://${LOGIN}@127.0.0.1:${redis.port}`,
      REDIS_TLS_CA: file('ca.pem'),
      REDIS_TLS_CERT: file('client.pem'),
      REDIS_TLS_KEY: file('client.key'),
    }
    service = await Service.start({ env })
  })
  afterAll(async () => {
    await service.stop()
    await redis.stop()
    await rm(directory, { recursive: true, force: true })
  })

  itGivesTheTour(() => service)

  it.each([
    ['another CA', () => ({ REDIS_TLS_CA: join(directory, 'stranger', 'ca.pem') }), /certificate/],
    [
      'no client certificate',
      () => ({ REDIS_TLS_CERT: '', REDIS_TLS_KEY: '' }),
      /the server requires a client certificate/,
    ],
    [
      'a client certificate of another CA',
      () => ({
        REDIS_TLS_CERT: join(directory, 'stranger', 'client.pem'),
        REDIS_TLS_KEY: join(directory, 'stranger', 'client.key'),
      }),
      /the server does not trust the CA of the client certificate/,
    ],
    ['a wrong password', () => ({ REDIS_URL: `rediss://ann:hunter2@127.0.0.1:${redis.port}` }), /WRONGPASS/],
    ['a wrong user', () => ({ REDIS_URL: `rediss://bob:hunter2@127.0.0.1:${redis.port}` }), /WRONGPASS/],
    ['no password', () => ({ REDIS_URL: `rediss://127.0.0.1:${redis.port}` }), /NOAUTH/],
  ])('is refused at the start with %s', async (_, variables, reason) => {
    const { code, said } = await failToStart('api', { ...env, ...variables() })
    expect(code).toBe(1)
    expect(said.match(/throttler cannot start/g)).toHaveLength(1)
    expect(said).toMatch(new RegExp(`REDIS_URL is refused by 127.0.0.1:${redis.port}: .*${reason.source}`))
    expect(said).not.toMatch(/hunter2|s3cr|openssl/)
  })
})
