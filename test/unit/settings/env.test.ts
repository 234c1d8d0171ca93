import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { EnvSchema, FILE_VARIABLES } from '../../../src/settings/env.schema.ts'
import { EnvError, readEnv } from '../../../src/settings/env.ts'
import { makeCertificates } from '../../support/certificates.ts'

const directory = mkdtempSync(join(tmpdir(), 'throttler-env-'))
afterAll(() => rmSync(directory, { recursive: true }))

function faultsOf(variables: Record<string, string>, needsRedis = false): string[] {
  try {
    readEnv({ needsRedis }, variables)
    return []
  } catch (err) {
    if (!(err instanceof EnvError)) throw err
    return err.message
      .split('\n')
      .slice(1)
      .map(line => line.trim())
  }
}

describe('the environment', () => {
  it('needs nothing: everything has a default', () => {
    expect(readEnv({ needsRedis: false }, {})).toMatchObject({ HOST: '127.0.0.1', PORT: 8080, KEY_PREFIX: 'throttler' })
  })

  it('counts an empty variable as unset', () => {
    expect(readEnv({ needsRedis: false }, { PORT: '', REDIS_URL: '' })).toMatchObject({ PORT: 8080 })
  })

  it.each([
    [{ PORT: '65536' }, 'PORT was "65536"; allowed: an integer from 0 to 65535'],
    [{ PORT: '80.5' }, 'PORT was "80.5"; allowed: an integer from 0 to 65535'],
    [{ PORT: '0x50' }, 'PORT was "0x50"; allowed: an integer from 0 to 65535'],
    [{ PORT: '1e3' }, 'PORT was "1e3"; allowed: an integer from 0 to 65535'],
    [{ PORT: '80.0' }, 'PORT was "80.0"; allowed: an integer from 0 to 65535'],
    [{ WEB_CONCURRENCY: ' 2' }, 'WEB_CONCURRENCY was " 2"; allowed: an integer from 1 to 512'],
    [{ WEB_CONCURRENCY: '+2' }, 'WEB_CONCURRENCY was "+2"; allowed: an integer from 1 to 512'],
    [{ WEB_CONCURRENCY: '2\n' }, 'WEB_CONCURRENCY was "2\\n"; allowed: an integer from 1 to 512'],
    [{ REDIS_TIMEOUT_MS: '-1' }, 'REDIS_TIMEOUT_MS was "-1"; allowed: an integer from 1 to 60000'],
    [{ RATELIMIT_HEADERS: 'all' }, 'RATELIMIT_HEADERS was "all"; allowed: draft, legacy, both, none'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL was "loud"; allowed: fatal, error, warn, info, debug, trace, silent'],
    [
      { CONFIG_REDIS_URL: 'redis://a' },
      'CONFIG_REDIS_URL was set without REDIS_URL; allowed: both, or REDIS_URL alone',
    ],
  ])('refuses %j', (variables, fault) => {
    expect(faultsOf(variables)).toEqual([fault])
  })

  it('never repeats a password', () => {
    const [fault] = faultsOf({ REDIS_URL: 'redis://ann:hunter2@redis:0' })
    expect(fault).toMatch(
      /^REDIS_URL was "redis:\/\/\*\*\*@redis:0": the port 0 is not from 1 to 65535; allowed: redis:/,
    )
  })

  it('reports everything at once', () => {
    const faults = faultsOf({
      PORT: 'x',
      REDIS_URL: 'http://a',
      CONFIG_REDIS_URL: 'redis://a/b',
      REDIS_TLS_CERT: '/nowhere',
    })
    expect(faults.map(fault => fault.split(' ')[0])).toEqual([
      'PORT',
      'REDIS_URL',
      'CONFIG_REDIS_URL',
      'REDIS_TLS_CERT',
      'REDIS_TLS_CERT',
    ])
  })

  it('takes a certificate as PEM or as the path of a file', () => {
    const { ca } = makeCertificates(directory)
    const path = join(directory, 'ca.pem')
    for (const REDIS_TLS_CA of [ca, path]) {
      expect(readEnv({ needsRedis: false }, { REDIS_TLS_CA }).redisTls).toEqual({ ca })
    }
  })

  it('refuses certificates and keys that are none, or do not go together', () => {
    const { ca, server, client } = makeCertificates(directory)
    const none = 'holds no certificate; allowed: a certificate in PEM, or the path of a file with one'
    expect(faultsOf({ REDIS_TLS_CA: client.key })).toEqual([`REDIS_TLS_CA ${none}`])
    expect(faultsOf({ REDIS_TLS_CERT: ca })).toEqual([
      'REDIS_TLS_CERT and REDIS_TLS_KEY belong together; allowed: both, or none',
    ])
    expect(faultsOf({ REDIS_TLS_CERT: client.cert, REDIS_TLS_KEY: server.key })).toEqual([
      expect.stringMatching(/^REDIS_TLS_CERT and REDIS_TLS_KEY do not go together: .*key values mismatch/),
    ])
  })

  it('never repeats a token', () => {
    expect(faultsOf({ ADMIN_TOKENS: 'hunter2' })).toEqual([
      'ADMIN_TOKENS is not of the right form; allowed: name:token, comma-separated, tokens of visible ASCII',
    ])
  })

  it.each(['pässword', 'два', 'a b', 'a\u0000', ''])('refuses the token %j, which no caller could present', token => {
    for (const name of ['ADMIN_TOKENS', 'CHECK_TOKENS']) {
      expect(faultsOf({ [name]: `ann:${token}` })).toEqual([expect.stringMatching(/is not of the right form/)])
    }
  })

  it.each(['a-b', '!"#$%&()*+-./09;<=>?@AZ[\\]^_`az{|}~'])('takes the token %j', token => {
    expect(faultsOf({ ADMIN_TOKENS: `änn:${token}:read`, CHECK_TOKENS: `b:${token},c:${token}` })).toEqual([])
  })

  it('reads tokens with their names and rights', () => {
    const { ADMIN_TOKENS } = readEnv({ needsRedis: false }, { ADMIN_TOKENS: 'ann:secret,bob:other:read' })
    expect(ADMIN_TOKENS).toEqual([
      { name: 'ann', token: 'secret', readOnly: false },
      { name: 'bob', token: 'other', readOnly: true },
    ])
  })

  it('refuses a built-in policy that cannot be counted exactly', () => {
    const [fault] = faultsOf({ DEFAULT_CAPACITY: '1000000000', DEFAULT_REFILL_INTERVAL_MS: '2678399999' })
    expect(fault).toMatch(/^DEFAULT_CAPACITY, .* do not go together: .*2\^53/)
  })

  it.each(['127.0.0.1', '::1', 'localhost', '127.9.9.9'])('listens on %s without tokens', HOST => {
    expect(faultsOf({ HOST })).toEqual([])
  })

  it.each(['0.0.0.0', '::', '10.0.0.1', 'example.org'])('refuses to listen on %s without tokens', HOST => {
    expect(faultsOf({ HOST })).toHaveLength(1)
    expect(faultsOf({ HOST, ADMIN_TOKENS: 'ann:secret' })).toEqual([])
  })

  it.each(FILE_VARIABLES)('takes %s from a file', name => {
    const path = join(directory, name)
    writeFileSync(path, name.endsWith('URL') ? 'redis://from-file:1\n' : 'ann:from-file\n')
    const env = readEnv({ needsRedis: false }, { REDIS_URL: '', ...withRedis(name), [`${name}_FILE`]: path })
    expect(JSON.stringify(env)).toContain('from-file')
  })

  it('refuses a variable that is set twice, and a file that cannot be read', () => {
    expect(faultsOf({ CHECK_TOKENS: 'a:b', CHECK_TOKENS_FILE: '/nowhere' })).toEqual([
      'CHECK_TOKENS and CHECK_TOKENS_FILE are both set; set one of them',
    ])
    expect(faultsOf({ CHECK_TOKENS_FILE: '/nowhere' })).toEqual([
      expect.stringMatching(/^CHECK_TOKENS_FILE was "\/nowhere", which cannot be read: ENOENT/),
    ])
  })

  it.each(['CHECK_TOKENS_FILE', 'REDIS_TLS_CA'])('refuses for %s everything but a small regular file', name => {
    const pipe = join(directory, `${name}.pipe`)
    execFileSync('mkfifo', [pipe])
    const large = join(directory, `${name}.large`)
    writeFileSync(large, 'a:'.padEnd(1024 * 1024 + 1, 'x'))
    const faultOf = (path: string) => faultsOf({ [name]: path })[0]
    for (const path of [pipe, '/dev/null', directory]) {
      expect(faultOf(path)).toBe(`${name} was "${path}", which cannot be read: it is not a regular file`)
    }
    expect(faultOf(large)).toBe(
      `${name} was "${large}", which cannot be read: it has 1048577 bytes; at most 1048576 are allowed`,
    )
  })

  it('is shown whole by .env.example', () => {
    const example = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')
    expect(example).toBe(exampleOf())
  })
})

function withRedis(name: string): Record<string, string> {
  return name === 'CONFIG_REDIS_URL' ? { REDIS_URL: 'redis://other:1' } : {}
}

/** What `.env.example` must say: every variable with what it means, and its default. */
function exampleOf(): string {
  const entries = Object.entries(EnvSchema.properties).map(([name, schema]) => {
    const byDefault = name === 'WEB_CONCURRENCY' ? '' : String(schema['default'] ?? '')
    return `# ${schema.description}\n${name}=${byDefault}\n`
  })
  const files = FILE_VARIABLES.map(name => `${name}_FILE=\n`).join('')
  return `# Every variable with its default; an empty one counts as unset.\n\n${entries.join('\n')}\n# Paths of files that hold the variable instead.\n${files}`
}
