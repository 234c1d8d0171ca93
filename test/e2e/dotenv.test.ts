import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from '@jest/globals'
import { linkCheckout } from '../support/checkout.ts'
import { runThrottler } from '../support/cli.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'

const directory = mkdtempSync(join(tmpdir(), 'throttler-dotenv-'))
afterAll(() => rmSync(directory, { recursive: true }))

let folders = 0
/** A working directory with this `.env`. */
function withDotenv(text: string | Buffer): string {
  const cwd = join(directory, String(folders++))
  mkdirSync(cwd)
  writeFileSync(join(cwd, '.env'), text)
  return cwd
}

describe('.env in the working directory', () => {
  it('is read by the service and by its commands, unless the environment has the variable', async () => {
    const cwd = withDotenv(
      '# by hand\nKEY_PREFIX=ignored\r\nexport CHECK_TOKENS="gate:0123456789abcd#f" # one\nLOG_LEVEL=info ## a#b\n',
    )
    const service = await Service.start({ cwd, env: { KEY_PREFIX: 'chosen', WEB_CONCURRENCY: '1' } })
    try {
      const path = join(cwd, '.env')
      const said = service.output.filter(line => line.includes('read settings from .env'))
      expect(said.map(line => JSON.parse(line))).toEqual([
        expect.objectContaining({ role: 'supervisor', path, msg: 'read settings from .env' }),
      ])
      const check = (headers: Record<string, string>) =>
        fetch(`${service.url}/check`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: '{"key":"k"}',
        })
      expect((await check({})).status).toBe(401)
      expect((await check({ authorization: 'Bearer 0123456789abcd#f' })).status).toBe(200)

      writeFileSync(path, `DATA_DIR=${service.dataDir}\nKEY_PREFIX=chosen\n`)
      const { code, output, complaints } = await runThrottler(['export'], {}, { cwd })
      expect([code, output, complaints]).toEqual([0, '', `throttler: read settings from ${path}\n`])
    } finally {
      await service.stop()
    }
  })

  it.each(['api', 'worker'] as const)('gives the %s its settings', async kind => {
    const { code, said } = await failToStart(kind, {}, withDotenv('REDIS_URL=http://a\n'))
    expect([code, said]).toEqual([1, expect.stringContaining('"REDIS_URL" must be')])
    expect(said).toContain('(got "http://a": not a Redis URL)')
  })

  it.each([
    'LOG_LEVEL=info\n  # by hand\nADMIN_TOKENS=a',
    'export  ADMIN_TOKENS=a',
    '\tADMIN_TOKENS=a',
    'ADMIN_TOKENS\t=a',
  ])('stops the start if Node.js would not set a variable: %j', async text => {
    const { code, said } = await failToStart('all', {}, withDotenv(`${text}:0123456789abcdef\n`))
    expect([code, said]).toEqual([1, expect.stringContaining('must have no white space before names and comments')])
    expect(said).not.toContain('0123456789abcdef')
  })

  // Node.js 24 leaves such a tab out, and 20 makes it a part of the value.
  it.each(['LOG_LEVEL=loud\t# by hand', 'LOG_LEVEL=\tloud', 'LOG_LEVEL=\t"loud"'])(
    'never takes a tab for a part of a value: %j',
    async text => {
      const { code, said } = await failToStart('all', {}, withDotenv(`A="\t"\n${text}\n`))
      const refused = /must have no tabs around values \(got one around that of "LOG_LEVEL" in line 2\)/
      expect(code).toBe(1)
      expect(said).toMatch(process.versions.node.startsWith('20.') ? refused : /"LOG_LEVEL" must .*\(got "loud"\)/)
    },
  )

  it.each([
    ['a line without an assignment', 'PORT=1\nREDIS_URL redis://hunter2\n', 2],
    ['a quote that is not closed', 'PORT=1\n\n# \nA="hunter2\n', 4],
    ['text after a quote', 'A="b\nc" hunter2\n', 1],
    ['an invalid name', '1A=hunter2', 1],
    ['bytes before the first name', '\u{feff}PORT=1\n', 1],
  ])('prevents the start if it contains %s', async (_, text, line) => {
    const cwd = withDotenv(text)
    const expected = `Invalid settings:\n  "${join(cwd, '.env')}" must contain only lines such as NAME=value and comments (got something else in line ${line})`
    expect(await failToStart('all', {}, cwd)).toEqual({ code: 1, said: `throttler cannot start. ${expected}` })
    expect(await runThrottler(['verify'], {}, { cwd })).toMatchObject({
      code: 2,
      complaints: `throttler verify: ${expected}\n`,
    })
  })

  it.each([
    ['a name twice', 'PORT=1\n# hunter2\nexport PORT="2"\n', 'set each variable once (got "PORT" again in line 3)'],
    [
      'a "#" in an unquoted value',
      "A='b#c'\nB= # d\nADMIN_TOKENS=ops:hunter2#hunter2\n",
      'quote each value that contains "#", as in NAME="a#b" (got an unquoted one in line 3)',
    ],
    [
      'an unquoted value that begins with "#"',
      'A= # b\nB=#hunter2 # c\n',
      'quote each value that contains "#", as in NAME="a#b" (got an unquoted one in line 2)',
    ],
    ['a null byte', 'A=1\nPORT=220\0 79\n', 'be UTF-8 text without null bytes (got something else in line 2)'],
    [
      'a lone carriage return',
      'A=1\r\nUNRELATED=abc\rADMIN_TOKENS=ops:hunter2\n',
      'end lines with "\\n" or "\\r\\n" (got a lone "\\r" in line 2)',
    ],
    [
      'a lone carriage return in quotes',
      'A="1\r\n2"\n\nB="hunter\r2"\n',
      'end lines with "\\n" or "\\r\\n" (got a lone "\\r" in line 4)',
    ],
    [
      'bytes that are not UTF-8',
      Buffer.from('A=1\n\nB=h\xfcnter\n', 'latin1'),
      'be UTF-8 text without null bytes (got something else in line 3)',
    ],
  ])('prevents the start if it contains %s', async (_, content, fault) => {
    const cwd = withDotenv(content)
    const complaints = `throttler verify: Invalid settings:\n  "${join(cwd, '.env')}" must ${fault}\n`
    expect(await runThrottler(['verify'], {}, { cwd })).toMatchObject({ code: 2, complaints })
  })

  it('with a lone carriage return is reported by the configuration of pm2, which would miss its REDIS_URL', async () => {
    const cwd = await linkCheckout()
    const load = (...args: readonly string[]) => {
      return promisify(execFile)(process.execPath, ['ecosystem.config.cjs', ...args], { cwd, env: {} })
    }
    try {
      const path = join(cwd, '.env')
      writeFileSync(path, 'PORT=8080\rREDIS_URL=redis://127.0.0.1:6379\n')
      const stderr = expect.stringContaining(`"${path}" must end lines with "\\n" or "\\r\\n" (got a lone "\\r")`)
      await expect(load('start')).rejects.toMatchObject({ stderr })
      await expect(load('stop')).resolves.toMatchObject({ stderr: '' })
      writeFileSync(path, 'PORT=8080\r\nREDIS_URL=redis://127.0.0.1:6379\r\n')
      await expect(load('start')).resolves.toMatchObject({ stderr: '' })
    } finally {
      rmSync(cwd, { recursive: true })
    }
  })

  it('prevents the start if it is not a readable file', async () => {
    const cwd = join(directory, 'unreadable')
    mkdirSync(join(cwd, '.env'), { recursive: true })
    const { code, said } = await failToStart('all', {}, cwd)
    expect([code, said]).toEqual([1, expect.stringContaining(`"${join(cwd, '.env')}" must be a readable file (got`)])
  })
})
