import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { pino } from 'pino'
import { PreflightError } from '../../../src/redis/connection/inspect-store.ts'
import { preflight, reportQuotaRisks } from '../../../src/redis/connection/preflight.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { targetOf } from '../../support/target-of.ts'

const SETTINGS = { KEY_PREFIX: 'throttler', REDIS_TIMEOUT_MS: 5_000 }

/** The warnings of the preflight. @throws its refusal to start */
async function warningsOf(...urls: readonly string[]): Promise<string[]> {
  const lines: string[] = []
  const logger = pino({ level: 'warn' }, { write: line => void lines.push(line) })
  await preflight(
    urls.map(url => targetOf(url)),
    SETTINGS,
    logger,
  )
  return lines.map(line => {
    const { msg, reason } = JSON.parse(line) as { msg: string; reason?: string }
    return reason === undefined ? msg : `${msg} (${reason})`
  })
}

async function withServer<T>(args: readonly string[], use: (server: RedisServer) => Promise<T>): Promise<T> {
  const server = await RedisServer.start(...args)
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** Runs a server that answers INFO only, with this line in it. */
async function withInfo(line: string, use: (port: number) => Promise<void>): Promise<void> {
  const info = `redis_mode:standalone\r\n${line}\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n`
  const server = createServer(socket => {
    socket.on('data', data => {
      for (const _ of String(data).matchAll(/^\*/gm)) {
        socket.write(/info/i.test(String(data)) ? `$${info.length}\r\n${info}\r\n` : '-ERR unknown command\r\n')
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await use((server.address() as AddressInfo).port)
  } finally {
    server.close()
  }
}

const mayEvict = expect.stringMatching(/may evict policies: its maxmemory-policy is allkeys-lru; set it to noeviction/)
const keepsNothing = expect.stringMatching(/keeps nothing on disk: appendonly is no and save is empty/)

describeWithRedis('the preflight logs the warnings for a policy store', () => {
  it.each([
    ['may evict', ['--maxmemory-policy', 'allkeys-lru', '--appendonly', 'yes'], [mayEvict]],
    ['keeps nothing on disk', [], [keepsNothing]],
    ['does both', ['--maxmemory-policy', 'allkeys-lru'], [mayEvict, keepsNothing]],
    ['writes each change to disk', ['--appendonly', 'yes'], []],
    ['writes snapshots', ['--save', '60', '1'], []],
    ['does not allow the command CONFIG', ['--user', 'default', 'on', 'nopass', '~*', '&*', '+@all', '-config'], []],
  ])('that %s', (_, args, expected) =>
    withServer(args, async ({ url }) => {
      expect(await warningsOf(url)).toEqual(expected)
    }),
  )
})

describeWithRedis('the preflight names the rights that a Redis user lacks', () => {
  it.each([
    ['the channel', ['~*', '+@all'], 'use the channel "throttler:config:announcements"'],
    ['publishing', ['~*', '&*', '+@all', '-publish'], 'run PUBLISH'],
    ['subscribing', ['~*', '&*', '+@all', '-subscribe'], 'run SUBSCRIBE'],
    ['keys of policies', ['~throttler*', '&*', '+@all'], 'use the keys "{throttler:*"'],
    ['keys of buckets', ['~{throttler:*', '&*', '+@all'], 'use the keys "throttler:*"'],
    ['keys for writing', ['%R~*', '&*', '+@all'], 'use the keys "throttler:*", "{throttler:*"'],
    [
      'several',
      ['~{throttler:*', '+@all', '-xadd', '-eval'],
      'run EVAL, XADD; use the keys "throttler:*"; use the channel "throttler:config:announcements"',
    ],
    ['transactions', ['~*', '&*', '+@all', '-multi'], 'run MULTI'],
    ['INFO', ['~*', '&*', '+@all', '-info'], /is refused by \S+: NOPERM .*'info' command/],
    [
      'a command of another name',
      ['~*', '&*', '+@all', '--rename-command', 'EVALSHA', 'x'],
      'run EVALSHA (unknown to the server)',
    ],
  ])('%s', (_, rules, expected) =>
    withServer(['--user', 'default', 'on', 'nopass', ...rules], async ({ url }) => {
      const refusal = await warningsOf(url).catch(err => err as Error)
      expect(refusal).toBeInstanceOf(PreflightError)
      const report =
        typeof expected === 'string'
          ? `  REDIS_URL names a Redis user that may not ${expected}; docs/security.md lists the rights that it needs`
          : expect.stringMatching(expected)
      expect((refusal as Error).message.split('\n').slice(1)).toEqual([report])
    }),
  )

  it('only for what a store holds', () =>
    withServer(
      ['--user', 'default', 'on', 'nopass', '~throttler:*', '~{throttler:fronts}', '~{throttler:insight}*', '+@all'],
      async ({ url }) => {
        const bucketsOnly = { ...targetOf(url), holdsPolicies: false }
        await preflight([bucketsOnly], SETTINGS, pino({ level: 'silent' }))
      },
    ))
})

describeWithRedis('for the preflight, a store that', () => {
  it.each([
    ['refuses connections', 'redis://127.0.0.1:1', /ECONNREFUSED/],
    ['has an unknown host', 'redis://no-such-host.invalid:6379', /no-such-host\.invalid/],
    [
      'is a cluster of which no node answers',
      'redis+cluster://127.0.0.1:1,127.0.0.1:2',
      /:1: .*ECONNREFUSED.*:2: .*ECONNREFUSED/,
    ],
    ['has no socket', 'redis+unix:///run/no-such.sock', /\/run\/no-such\.sock: .*ENOENT/],
    ['is watched by Sentinels that do not answer', 'redis+sentinel://127.0.0.1:1/main', /ECONNREFUSED/],
  ])('%s is unavailable, which is logged', async (_, url, reason) => {
    expect(await warningsOf(url)).toEqual([
      expect.stringMatching(/^a store is unavailable: the service starts without it/),
    ])
    expect((await warningsOf(url))[0]).toMatch(reason)
  })

  it('is a cluster of which one node answers is available', () =>
    withServer(['--cluster-enabled', 'yes', '--appendonly', 'yes'], async ({ port }) => {
      expect(await warningsOf(`redis+cluster://127.0.0.1:1,127.0.0.1:${port}`)).toEqual([])
    }))

  it('is unavailable, if one node of three is wrong and the others do not answer; it may be so in a failover', () =>
    withServer([], async ({ port }) => {
      expect(await warningsOf(`redis+cluster://127.0.0.1:1,127.0.0.1:2,127.0.0.1:${port}`)).toEqual([
        expect.stringMatching(/starts without it .*ECONNREFUSED.*ECONNREFUSED.*is a standalone server/),
      ])
      await expect(warningsOf(`redis+cluster://127.0.0.1:1,127.0.0.1:${port}`)).rejects.toThrow(PreflightError)
    }))

  it('is of another kind, lacks the database, or requires another password is refused, all in one report', () =>
    withServer(['--requirepass', 'secret'], async ({ port }) => {
      const urls = [
        `redis+cluster://:secret@127.0.0.1:${port}`,
        `redis://:secret@127.0.0.1:${port}/99`,
        `redis://127.0.0.1:${port}`,
        `redis://:hunter2@127.0.0.1:${port}`,
      ]
      const refusal = await warningsOf(...urls).catch(err => err as Error)
      expect(refusal).toBeInstanceOf(PreflightError)
      expect((refusal as Error).message.split('\n')).toEqual([
        'Cannot use the configured stores:',
        `  REDIS_URL is a standalone server at 127.0.0.1:${port}; use redis://…`,
        expect.stringMatching(/REDIS_URL is refused by \S+: .*DB index is out of range/),
        expect.stringMatching(/REDIS_URL is refused by \S+: NOAUTH/),
        expect.stringMatching(/REDIS_URL is refused by \S+: WRONGPASS/),
      ])
      expect((refusal as Error).message).not.toMatch(/secret|hunter2/)
    }))

  it('is a cluster, or requires a password, is refused with the path of its socket', () => {
    const args = ['--cluster-enabled', 'yes', '--requirepass', 'secret', '--unixsocket', 'redis.sock']
    return withServer(args, async ({ directory }) => {
      const path = join(directory, 'redis.sock')
      const refusal = await warningsOf(`redis+unix://:secret@${path}`, `redis+unix://${path}`).catch(
        err => err as Error,
      )
      expect((refusal as Error).message.split('\n').slice(1)).toEqual([
        `  REDIS_URL is a cluster server at ${path}; use redis+cluster://…`,
        expect.stringContaining(`REDIS_URL is refused by ${path}: NOAUTH`),
      ])
    })
  })

  const NEEDED = 'the service needs Redis 6.2 or later, or Valkey'
  it.each([
    ['redis_version:6.0.16', 'is Redis 6.0.16'],
    ['redis_version:5.0.14', 'is Redis 5.0.14'],
    ['redis_version:abcdef', 'reports the version "abcdef"'],
    ['redis_version:', 'reports the version ""'],
    ['server_name:another', 'reports no version'],
  ])('has %s in its INFO is refused, because it %s', (line, fault) =>
    withInfo(line, async port => {
      await expect(warningsOf(`redis://127.0.0.1:${port}`)).rejects.toThrow(
        `Cannot use the configured stores:\n  REDIS_URL ${fault} at 127.0.0.1:${port}; ${NEEDED}`,
      )
    }),
  )

  it.each(['6.2.0', '7.2.4', '10.0.0'])('has the version %s of Redis is accepted', version =>
    withInfo(`redis_version:${version}`, async port => {
      expect(await warningsOf(`redis://127.0.0.1:${port}`)).toEqual([])
    }),
  )

  it('hangs or does not speak TLS is reported as either, since the two cannot be distinguished', () =>
    withServer([], async ({ port }) => {
      expect(await warningsOf(`rediss://127.0.0.1:${port}`)).toEqual([expect.stringMatching(/or does not speak TLS/)])
    }))
})

describeWithRedis('a bucket store that is unavailable at the first quota', () => {
  it('is warned of once it is available', () =>
    withServer(['--maxmemory-policy', 'allkeys-lru', '--appendonly', 'yes'], async server => {
      await server.kill()
      const lines: string[] = []
      const logger = pino({ level: 'warn' }, { write: line => void lines.push(JSON.parse(line).msg) })
      const { signal } = new AbortController()
      const target = { ...targetOf(server.url), holdsPolicies: false }
      const reported = reportQuotaRisks(target, SETTINGS, { logger, signal })
      await server.restart()
      await reported
      expect(lines).toEqual([expect.stringMatching(/^the bucket store may evict what was spent of quotas/)])
    }))
})
