import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { runThrottler } from '../support/cli.ts'
import { HttpServer } from '../support/http-server.ts'
import { Service } from '../support/service.ts'

const ADMIN = 'admin-token-0123456789'
const READER = 'reader-token-0123456789'
const CHECKER = 'check-token-0123456789'
const WRONG = 'wrong-token-0123456789'
const SECRETS = [ADMIN, READER, CHECKER, WRONG]
const POLICY = '{"capacity":1,"refillTokens":1}'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throttler-cli-http-'))
})
afterAll(() => rm(directory, { recursive: true }))

/** Runs a command with this token; its output never contains one. */
async function run(args: readonly string[], token = ADMIN, variables: Readonly<Record<string, string>> = {}) {
  const result = await runThrottler(args, { THROTTLER_TOKEN: token, ...variables })
  for (const secret of SECRETS) expect(result.output + result.complaints).not.toContain(secret)
  return result
}

describe('throttler --url', () => {
  let service: Service
  let url: readonly string[]
  beforeAll(async () => {
    const tokens = { ADMIN_TOKENS: `ann:${ADMIN},eve:${READER}:read`, CHECK_TOKENS: `shop:${CHECKER}` }
    service = await Service.start({ env: { ...tokens, IMPORT_MAX_BYTES: '1000000' } })
    url = ['--url', service.url]
  })
  afterAll(() => service.stop())

  it('exports what it imports, byte for byte', async () => {
    const file = join(directory, 'policies.ndjson')
    const lines = ['a', 'b:*', 'ü'].map(
      key =>
        `{"key":"${key}","limits":[{"name":"x","capacity":1,"refillTokens":1,"refillIntervalMs":1}],"mode":"off"}\n`,
    )
    await writeFile(file, lines.join(''))
    const imported = await run(['import', file, ...url])
    expect([imported.code, imported.complaints, JSON.parse(imported.output)]).toEqual([
      0,
      '',
      expect.objectContaining({ status: 'applied', created: 3 }),
    ])
    expect(await run(['export', ...url])).toEqual({ code: 0, output: lines.join(''), complaints: '' })
  })

  it('reports an import that is too large, although the service refuses it early', async () => {
    const file = join(directory, 'large.ndjson')
    await writeFile(file, '{"key":"good","mode":"off"}\n'.repeat(100_000))
    const { code, complaints } = await run(['import', file, ...url])
    expect([code, complaints]).toEqual([
      expect.any(Number),
      expect.stringMatching(/^throttler import: (line 2 is invalid|the import has more than the 1000000 bytes).*\n$/),
    ])
  })

  it.each([
    [
      'a wrong token',
      WRONG,
      ['get', 'a'],
      /^throttler get: http:\S+ does not accept the token of THROTTLER_TOKEN \(401 unauthorized\)\n$/,
    ],
    ['no token', '', ['export'], /requires a token \(401 unauthorized\); set THROTTLER_TOKEN or give --token-file\n$/],
    [
      'a token that may only read',
      READER,
      ['set', 'a', POLICY],
      /the token "eve" may only read; .* \(403 forbidden from .*\)\n$/,
    ],
    ['a token that may only check', CHECKER, ['get', 'a'], /a check token may only check; .*\(403 forbidden/],
    ['a token with a space', `${ADMIN} `, ['get', 'a'], /THROTTLER_TOKEN must contain one token/],
  ])('reports %s in one line', async (_, token, args, complaint) => {
    expect(await run([...args, ...url], token)).toEqual({
      code: 2,
      output: '',
      complaints: expect.stringMatching(complaint),
    })
  })

  it('reports a refusal that comes while a large file is sent', async () => {
    const file = join(directory, 'refused.ndjson')
    await writeFile(file, `${'x'.repeat(999)}\n`.repeat(30_000))
    for (const [token, complaint] of [
      [WRONG, 'does not accept the token of THROTTLER_TOKEN'],
      [READER, 'the token "eve" may only read'],
    ] as const) {
      for (let i = 0; i < 3; i++) {
        const complaints = expect.stringContaining(complaint)
        expect(await run(['import', file, ...url], token)).toEqual({ code: 2, output: '', complaints })
      }
    }
  })

  it('accepts a check token for a check', async () => {
    expect(await run(['check', 'anybody', ...url], CHECKER)).toMatchObject({ code: 0 })
  })

  it('takes the token from a file, which has precedence, and warns if others can read it', async () => {
    const file = join(directory, 'token')
    await writeFile(file, `${READER}\n`, { mode: 0o600 })
    expect(await run(['export', ...url, '--token-file', file], WRONG)).toMatchObject({ code: 0, complaints: '' })
    await chmod(file, 0o644)
    expect(await run(['export', ...url, '--token-file', file], WRONG)).toMatchObject({
      code: 0,
      complaints: `throttler: warning: others can access --token-file ${JSON.stringify(file)} (mode 0644); run "chmod 600" on it\n`,
    })
    await writeFile(file, '')
    expect(await run(['export', ...url, '--token-file', file])).toMatchObject({
      code: 2,
      complaints: expect.stringContaining('is empty; it must contain a token\n'),
    })
  })

  it('takes the token from .env of the working directory', async () => {
    const cwd = await mkdtemp(join(directory, 'cwd-'))
    await writeFile(join(cwd, '.env'), `THROTTLER_TOKEN=${ADMIN}\n`)
    const { code, complaints } = await runThrottler(['export', ...url], {}, { cwd })
    expect([code, complaints]).toEqual([0, `throttler: read settings from ${join(cwd, '.env')}\n`])
  })

  it.each([
    ['--actor', ['set', 'a', POLICY, '--actor', 'bob'], /--actor is not allowed together with --url/],
    ['--actor of an import', ['import', '-', '--actor', 'bob'], /--actor is not allowed together with --url/],
    ['a command that needs the stores', ['verify'], /Unknown option '--url'/],
  ])('refuses %s in one line', async (_, args, complaint) => {
    const { code, complaints } = await run([...args, ...url])
    expect([code, complaints]).toEqual([2, expect.stringMatching(complaint)])
    expect(complaints.trimEnd()).not.toContain('\n')
  })
})

describe('throttler --url with a service that', () => {
  let server: HttpServer | undefined
  afterEach(async () => {
    await server?.stop()
    server = undefined
  })

  async function start(listener: RequestListener) {
    server = await HttpServer.start(listener)
    return ['--url', server.url]
  }

  it.each([
    [
      'is not there',
      'http://127.0.0.1:1',
      /^throttler get: cannot reach http:\/\/127\.0\.0\.1:1: connect ECONNREFUSED.*\n$/,
    ],
    ['has no address', 'http://nobody.invalid', /^throttler get: cannot reach http:\/\/nobody\.invalid: .*\n$/],
    ['has no http URL', 'redis://127.0.0.1', /^throttler get: --url must be an http or https URL.*\n$/],
  ])('%s', async (_, url, complaint) => {
    expect(await run(['get', 'a', '--url', url])).toEqual({
      code: 2,
      output: '',
      complaints: expect.stringMatching(complaint),
    })
  })

  it('has no worker: the command says what it waits for, and ends after its timeout', async () => {
    const url = await start(({ method }, response) => {
      const queued = { id: '1-x', commandId: '1-x', status: 'queued' }
      response.writeHead(method === 'GET' ? 200 : 202).end(JSON.stringify(queued))
    })
    const { code, output, complaints } = await run(['set', 'a', POLICY, ...url, '--timeout', '6'])
    expect([code, output]).toEqual([2, ''])
    expect(complaints.split('\n')).toEqual([
      'waiting for command 1-x; it is applied once a worker takes it',
      expect.stringMatching(/^throttler set: command 1-x has not ended within 6 s; it stays queued/),
      '',
    ])
  })

  it('shows control characters in its answer as escape sequences', async () => {
    const problem = { code: 'forbidden', detail: '\u001b]0;title\u0007\nno' }
    const url = await start((_, response) => response.writeHead(403).end(JSON.stringify(problem)))
    const { complaints } = await run(['get', 'a', ...url])
    expect(complaints).toMatch(/^throttler get: \\u001b\]0;title\\u0007 no \(403 forbidden from .*\)\n$/)
  })

  it('ends an export early: the command reports it', async () => {
    const url = await start((_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.write('{"key":"a"}\n', () => response.destroy())
    })
    expect(await run(['export', ...url])).toEqual({
      code: 2,
      output: '{"key":"a"}\n',
      complaints: expect.stringMatching(/^throttler export: the export of \S+ is incomplete: .*\n$/),
    })
  })

  it('has 300,000 policies: they are exported and imported in bounded memory', async () => {
    const line = `{"key":"user:0000000","limits":[{"name":"default","capacity":100,"refillTokens":10,"refillIntervalMs":1000}],"mode":"enforce"}\n`
    const chunk = line.repeat(1_000)
    let received = 0
    const url = await start(async (request, response) => {
      if (request.method === 'GET') {
        response.setHeader('content-type', 'application/x-ndjson')
        return Readable.from(Array(300).fill(chunk)).pipe(response)
      }
      for await (const part of request) received += (part as Buffer).length
      return response.end(
        JSON.stringify({ commandId: 'import-x', status: 'applied', created: 300_000, changed: 0, unchanged: 0 }),
      )
    })
    const smallHeap = { NODE_OPTIONS: '--max-old-space-size=32' }
    const exported = await run(['export', ...url], ADMIN, smallHeap)
    expect([exported.code, exported.complaints, exported.output.length]).toEqual([0, '', 300 * chunk.length])
    const file = join(directory, 'many.ndjson')
    await writeFile(file, exported.output)
    expect(await run(['import', file, ...url], ADMIN, smallHeap)).toMatchObject({ code: 0, complaints: '' })
    expect(received).toBe(300 * chunk.length)
  })

  it('answers late: no process shows the token in its command line meanwhile', async () => {
    let arrived = () => {}
    const isAsked = new Promise<void>(resolve => (arrived = resolve))
    let answer = () => {}
    const url = await start((_, response) => {
      answer = () => response.end('{"version":1}')
      arrived()
    })
    const ended = run(['get', 'a', ...url])
    await isAsked
    expect(execFileSync('ps', ['-ewwo', 'args'], { encoding: 'utf8' })).not.toContain(ADMIN)
    answer()
    expect(await ended).toMatchObject({ code: 0, output: '{"version":1}\n' })
  })
})
