import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { Ajv } from 'ajv'
import { EnvSchema, exampleOf, FILE_VARIABLES } from '../../../src/settings/env.schema.ts'
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
  it('has a valid schema, which no process checks again', () => {
    const ajv = new Ajv({ keywords: ['rule'] })
    expect([ajv.validateSchema(EnvSchema), ajv.errors]).toEqual([true, null])
  })

  it('may be empty: every setting has a default', () => {
    expect(readEnv({ needsRedis: false }, {})).toMatchObject({ HOST: '127.0.0.1', PORT: 8080, KEY_PREFIX: 'throttler' })
  })

  it('counts an empty variable as unset', () => {
    expect(readEnv({ needsRedis: false }, { PORT: '', REDIS_URL: '' })).toMatchObject({ PORT: 8080 })
  })

  it.each([
    [{ PORT: '65536' }, '"PORT" must be an integer between 0 and 65535 (got "65536")'],
    [{ PORT: '80.5' }, '"PORT" must be an integer between 0 and 65535 (got "80.5")'],
    [{ PORT: '0x50' }, '"PORT" must be an integer between 0 and 65535 (got "0x50")'],
    [{ PORT: '1e3' }, '"PORT" must be an integer between 0 and 65535 (got "1e3")'],
    [{ PORT: '80.0' }, '"PORT" must be an integer between 0 and 65535 (got "80.0")'],
    [{ RESP_PORT: '65536' }, '"RESP_PORT" must be an integer between 0 and 65535 (got "65536")'],
    [{ RESP_PORT: '8080' }, '"RESP_PORT" must be another port than "PORT" (got 8080 for both)'],
    [{ WEB_CONCURRENCY: ' 2' }, '"WEB_CONCURRENCY" must be an integer between 1 and 512 (got " 2")'],
    [{ WEB_CONCURRENCY: '+2' }, '"WEB_CONCURRENCY" must be an integer between 1 and 512 (got "+2")'],
    [{ WEB_CONCURRENCY: '2\n' }, '"WEB_CONCURRENCY" must be an integer between 1 and 512 (got "2\\n")'],
    [{ REDIS_TIMEOUT_MS: '-1' }, '"REDIS_TIMEOUT_MS" must be an integer between 1 and 60000 (got "-1")'],
    [{ RATELIMIT_HEADERS: 'all' }, '"RATELIMIT_HEADERS" must be one of draft, legacy, both, none (got "all")'],
    [{ LOG_LEVEL: 'loud' }, '"LOG_LEVEL" must be one of fatal, error, warn, info, debug, trace, silent (got "loud")'],
    [{ CONFIG_LOG_KEEP: '0' }, '"CONFIG_LOG_KEEP" must be all, or an integer between 1 and 999999999 (got "0")'],
    [{ CONFIG_REDIS_URL: 'redis://a' }, '"REDIS_URL" must be set if "CONFIG_REDIS_URL" is (got nothing)'],
    [{ DATA_DIR: '   ' }, '"DATA_DIR" must be the path of a directory (got "   ")'],
    ...['a b', '   ', 'localhost:80', '[::1]', 'a..b', '-a', 'http://a'].map(
      HOST =>
        [{ HOST }, `"HOST" must be an IP address or a host name, without a port (got "${HOST}")`] as [
          Record<string, string>,
          string,
        ],
    ),
    [{ HOST: '0.0.0.0' }, '"HOST" must be a loopback address unless "ADMIN_TOKENS" is set (got "0.0.0.0")'],
    [
      { TRUST_PROXY: '10.0.0.0/8,proxy' },
      '"TRUST_PROXY" must be a comma-separated list of addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal (got "10.0.0.0/8,proxy")',
    ],
  ])('refuses %j', (variables, fault) => {
    expect(faultsOf(variables)).toEqual([fault])
  })

  it('refuses one port for the service and for its worker where both listen', () => {
    const refused = { needsRedis: false, listensOnBothPorts: true }
    const message = '"WORKER_METRICS_PORT" must be another port than "PORT" (got 8080 for both)'
    expect(() => readEnv(refused, { WORKER_METRICS_PORT: '8080' })).toThrow(message)
    expect(readEnv(refused, { PORT: '0', WORKER_METRICS_PORT: '0' })).toMatchObject({ PORT: 0 })
    expect(readEnv({ needsRedis: false }, { WORKER_METRICS_PORT: '8080' })).toMatchObject({ PORT: 8080 })
  })

  it('never repeats a password', () => {
    const [fault] = faultsOf({ REDIS_URL: 'redis://ann:hunter2@redis:0' })
    expect(fault).toMatch(
      /^"REDIS_URL" must be redis:.* \(got "redis:\/\/\*\*\*@redis:0": the port 0 is not between 1 and 65535\)$/,
    )
  })

  it('reports everything at once', () => {
    const faults = faultsOf({
      PORT: 'x',
      HOST: '0.0.0.0',
      REDIS_URL: 'http://a',
      CONFIG_REDIS_URL: 'redis://a/b',
      REDIS_TLS_CERT: '/nowhere',
      CHECK_TOKENS: 'gate:short',
      TRUST_PROXY: 'proxy',
    })
    expect(faults.map(fault => fault.split('"')[1])).toEqual([
      'PORT',
      'REDIS_URL',
      'CONFIG_REDIS_URL',
      'REDIS_TLS_CERT',
      'REDIS_TLS_CERT',
      'CHECK_TOKENS',
      'HOST',
      'TRUST_PROXY',
    ])
  })

  it('accepts a certificate as PEM or as the path of a file', () => {
    const { ca } = makeCertificates(directory)
    const path = join(directory, 'ca.pem')
    for (const REDIS_TLS_CA of [ca, path]) {
      expect(readEnv({ needsRedis: false }, { REDIS_TLS_CA }).redisTls).toEqual({ ca })
    }
  })

  it('refuses invalid or missing certificates and keys, and a key of another certificate', () => {
    const { ca, server, client } = makeCertificates(directory)
    const rule = '"REDIS_TLS_CA" must be a certificate in PEM, or the path of a file that contains one'
    expect(faultsOf({ REDIS_TLS_CA: client.key })).toEqual([`${rule} (got no certificate)`])
    const path = join(directory, 'no-certificate')
    writeFileSync(path, 'text')
    expect(faultsOf({ REDIS_TLS_CA: path })).toEqual([`${rule} (got no certificate in "${path}")`])
    expect(faultsOf({ REDIS_TLS_CERT: ca })).toEqual([
      '"REDIS_TLS_CERT" must be set together with "REDIS_TLS_KEY" (got no "REDIS_TLS_KEY")',
    ])
    expect(faultsOf({ REDIS_TLS_CERT: client.cert, REDIS_TLS_KEY: server.key })).toEqual([
      expect.stringMatching(
        /^"REDIS_TLS_KEY" must be the private key of "REDIS_TLS_CERT" \(got .*key values mismatch\)$/,
      ),
    ])
  })

  it('never repeats a token', () => {
    expect(faultsOf({ ADMIN_TOKENS: 'hunter2' })).toEqual([
      '"ADMIN_TOKENS" must be a comma-separated list of name:token or name:token:read, with tokens of visible ASCII characters (got a value that is not shown because it is secret)',
    ])
  })

  it('refuses a check token with the rights of an admin token', () => {
    expect(faultsOf({ CHECK_TOKENS: 'gate:0123456789abcdef:read' })).toEqual([
      expect.stringMatching(/^"CHECK_TOKENS" must be a comma-separated list of name:token, /),
    ])
  })

  it.each([
    ['in quotes', '"-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----"'],
    ['without its first line', 'c2VjcmV0\nc2VjcmV0\n-----END'],
    ['in one line', 'c2VjcmV0'.repeat(50)],
  ])('does not show a private key %s', (_, key) => {
    const faults = faultsOf({ REDIS_TLS_CERT: key, REDIS_TLS_KEY: key })
    expect(faults.join()).toMatch(/"REDIS_TLS_KEY" must be a private key in PEM.*not shown/)
    expect(faults.join()).not.toContain('c2VjcmV0')
  })

  it.each(['ADMIN_TOKENS', 'CHECK_TOKENS'])('refuses short tokens in %s, and names each without showing it', name => {
    const faults = faultsOf({ [name]: 'ann:0123456789abcde,bob:0123456789abcdef,eve:hunter2' })
    const rule = `"${name}" must have at least 16 characters in each token`
    expect(faults).toEqual([`${rule} (got 15 in the token named "ann")`, `${rule} (got 7 in the token named "eve")`])
  })

  it.each(['ADMIN_TOKENS', 'CHECK_TOKENS'])('refuses a name that is used twice in %s', name => {
    const tokens = ['0', '1', '2'].map(digit => `ann:${digit.repeat(16)}`).join(',')
    expect(faultsOf({ [name]: tokens })).toEqual([`"${name}" must use each name once (got "ann" more than once)`])
  })

  it('accepts one name in both lists: one caller may have a token of each kind', () => {
    expect(faultsOf({ ADMIN_TOKENS: `ann:${'0'.repeat(16)}`, CHECK_TOKENS: `ann:${'1'.repeat(16)}` })).toEqual([])
  })

  it.each(['pässword', 'два', 'a b', 'a\u0000', ''])('refuses the token %j, which no caller could present', token => {
    for (const name of ['ADMIN_TOKENS', 'CHECK_TOKENS']) {
      expect(faultsOf({ [name]: `ann:${token}` })).toEqual([expect.stringMatching(/must be a comma-separated list/)])
    }
  })

  it.each(['a-0123456789abcd', '!"#$%&()*+-./09;<=>?@AZ[\\]^_`az{|}~'])('accepts the token %j', token => {
    expect(faultsOf({ ADMIN_TOKENS: `änn:${token}:read`, CHECK_TOKENS: `b:${token}b,c:${token}c` })).toEqual([])
  })

  it('refuses a token of two names, in one list or in both', () => {
    const [token, other] = ['0123456789abcdef', 'fedcba9876543210']
    const rule = 'must have a token of its own for each name'
    expect(faultsOf({ ADMIN_TOKENS: `a:${token},b:${token}:read`, CHECK_TOKENS: `c:${other},d:${token}` })).toEqual([
      `"ADMIN_TOKENS" ${rule} (got "a" and "b" for the same token)`,
      `"CHECK_TOKENS" ${rule} (got "a" and "d" for the same token)`,
    ])
    expect(faultsOf({ ADMIN_TOKENS: `a:${token}`, CHECK_TOKENS: `a:${token}` })).toEqual([])
    expect(faultsOf({ ADMIN_TOKENS: `a:${token}:read`, CHECK_TOKENS: `b:${other},a:${token}` })).toEqual([
      '"CHECK_TOKENS" must have no token that ADMIN_TOKENS has as read-only (got the token named "a")',
    ])
  })

  it('reads tokens with their names and rights', () => {
    const { ADMIN_TOKENS } = readEnv(
      { needsRedis: false },
      { ADMIN_TOKENS: 'ann:0123456789abcdef,bob:fedcba9876543210:read' },
    )
    expect(ADMIN_TOKENS).toEqual([
      { name: 'ann', token: '0123456789abcdef', readOnly: false },
      { name: 'bob', token: 'fedcba9876543210', readOnly: true },
    ])
  })

  it('refuses a built-in policy that cannot be counted exactly', () => {
    const [fault] = faultsOf({ DEFAULT_CAPACITY: '1000000000', DEFAULT_REFILL_INTERVAL_MS: '2678399999' })
    expect(fault).toMatch(/^"DEFAULT_CAPACITY" must be small enough .* \(got 1000000000, 10 and 2678399999: .*2\^53/)
  })

  it.each(['127.0.0.1', '::1', 'localhost', '127.9.9.9'])('listens on %s without tokens', HOST => {
    expect(faultsOf({ HOST })).toEqual([])
  })

  it.each(['0.0.0.0', '::', '10.0.0.1', 'example.org'])('refuses to listen on %s without tokens', HOST => {
    expect(faultsOf({ HOST })).toHaveLength(1)
    expect(faultsOf({ HOST, ADMIN_TOKENS: 'ann:0123456789abcdef' })).toEqual([])
  })

  it.each(FILE_VARIABLES)('reads %s from a file', name => {
    const path = join(directory, name)
    writeFileSync(path, name.endsWith('URL') ? 'redis://from-a-file:1\n' : 'ann:token-from-a-file\n')
    const env = readEnv({ needsRedis: false }, { REDIS_URL: '', ...withRedis(name), [`${name}_FILE`]: path })
    expect(JSON.stringify(env)).toContain('from-a-file')
  })

  it('refuses a variable that is set twice, and a file that cannot be read', () => {
    expect(faultsOf({ CHECK_TOKENS: 'a:0123456789abcdef', CHECK_TOKENS_FILE: '/nowhere' })).toEqual([
      '"CHECK_TOKENS" must be set directly or by "CHECK_TOKENS_FILE" (got both)',
    ])
    expect(faultsOf({ CHECK_TOKENS_FILE: '/nowhere' })).toEqual([
      expect.stringMatching(/^"CHECK_TOKENS_FILE" must be the path of a readable file \(got "\/nowhere": ENOENT/),
    ])
  })

  it.each(['redis://:hunter2@store', 'hunter2'])('does not show the secret that a file should hold: %s', value => {
    expect(faultsOf({ REDIS_URL_FILE: value })).toEqual([
      expect.stringMatching(
        /^"REDIS_URL_FILE" must be the path of a readable file \(got a value that begins with no .*: ENOENT: no such file or directory\)$/,
      ),
    ])
  })

  it('names the variable of the file that a wrong setting is read from', () => {
    const path = join(directory, 'wrong-tokens')
    writeFileSync(path, 'short')
    expect(faultsOf({ ADMIN_TOKENS_FILE: path })).toEqual([
      expect.stringMatching(/^"ADMIN_TOKENS", read from "ADMIN_TOKENS_FILE", must /),
    ])
    expect(faultsOf({ ADMIN_TOKENS: 'short', ADMIN_TOKENS_FILE: '' })).toEqual([
      expect.stringMatching(/^"ADMIN_TOKENS" must /),
    ])
  })

  it.each(['CHECK_TOKENS_FILE', 'REDIS_TLS_CA'])('refuses for %s everything but a small regular file', name => {
    const pipe = join(directory, `${name}.pipe`)
    execFileSync('mkfifo', [pipe])
    const large = join(directory, `${name}.large`)
    writeFileSync(large, 'a:'.padEnd(1024 * 1024 + 1, 'x'))
    const faultOf = (path: string) => faultsOf({ [name]: path })[0]
    for (const path of [pipe, '/dev/null', directory]) {
      expect(faultOf(path)).toMatch(new RegExp(`^"${name}" must be .* \\(got "${path}": not a regular file\\)$`))
    }
    expect(faultOf(large)).toMatch(new RegExp(`^"${name}" must be .* \\(got "${large}": larger than 1048576 bytes\\)$`))
    const latin = join(directory, `${name}.latin`)
    writeFileSync(latin, Buffer.from('jörgen:0123456789abcdef', 'latin1'))
    expect(faultOf(latin)).toMatch(new RegExp(`^"${name}" must be .* \\(got "${latin}": not valid UTF-8\\)$`))
  })

  it('accepts the example of each setting', () => {
    const { REDIS_TLS_CA, REDIS_TLS_CERT, REDIS_TLS_KEY, ...examples } = Object.fromEntries(
      Object.entries(EnvSchema.properties).flatMap(([name, schema]) => [[name, exampleOf(schema) ?? '']]),
    )
    expect(faultsOf(examples)).toEqual([])
  })

  it('is documented completely by .env.example', () => {
    const example = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')
    expect(example).toBe(exampleFile())
  })
})

const HEADING = `# Every setting with its default. Copy this file to .env: every command reads it from its working directory.
# Variables of the environment take precedence. An empty variable counts as unset.`

function withRedis(name: string): Record<string, string> {
  return name === 'CONFIG_REDIS_URL' ? { REDIS_URL: 'redis://other:1' } : {}
}

/** What `.env.example` must say: every variable with its meaning, an example and its default. */
function exampleFile(): string {
  const entries = Object.entries(EnvSchema.properties).map(([name, schema]) => {
    const byDefault = name === 'WEB_CONCURRENCY' ? '' : String(schema['default'] ?? '')
    const example = exampleOf(schema)
    return `# ${schema.description}\n${example === undefined ? '' : `# Example: ${name}=${example}\n`}${name}=${byDefault}\n`
  })
  const files = FILE_VARIABLES.map(name => `${name}_FILE=\n`).join('')
  return `${HEADING}\n\n${entries.join('\n')}\n# Paths of files to read these variables from instead.\n${files}`
}
