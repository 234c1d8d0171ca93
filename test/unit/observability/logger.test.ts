import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { LogStream } from '../../../src/observability/log-stream.ts'
import { createLogger, safety } from '../../../src/observability/logger.ts'
import { eventually } from '../../support/eventually.ts'
import { Fifo } from '../../support/fifo.ts'

const written = (value: object): string => {
  const lines: string[] = []
  pino(safety, { write: line => void lines.push(line) }).info(value, 'said')
  return lines.join('')
}

describe('a log line', () => {
  it('shows no authorization at any depth', () => {
    const headers = { authorization: 'Bearer hunter2' }
    for (const value of [headers, { headers }, { request: { headers } }]) {
      expect(written(value)).toContain('[redacted]')
      expect(written(value)).not.toContain('hunter2')
    }
  })

  it('names the Redis command that failed, but not its arguments', () => {
    const message = "ERR unknown command 'EVALSHA', with args beginning with: 'abc' '1' 'throttler:{x}:user:42' "
    const err = Object.assign(new Error(message), { command: { name: 'evalsha', args: ['abc', '1', 'user:42'] } })
    const line = written({ err })
    expect(JSON.parse(line).err).toMatchObject({ command: 'evalsha', message: "ERR unknown command 'EVALSHA'" })
    expect(line).not.toContain('user:42')
  })
})

const LINES = 20_000
const MAX_PENDING_BYTES = 1024 * 1024
const lineOf = (n: number) => `${JSON.stringify({ n, text: 'x'.repeat(100) })}\n`

describe('a log', () => {
  it('has no characters that a terminal obeys, and loses none', () => {
    const directory = mkdtempSync(join(tmpdir(), 'throttler-log-'))
    const fd = openSync(join(directory, 'log'), 'a')
    const key = 'a\u001b[2J\u007f\u009b31m\u2028\u202eb\u2066\\\u009bü→'
    createLogger({ level: 'info', role: 'test', fd }).info({ key }, key)
    const text = readFileSync(join(directory, 'log'), 'utf8')
    expect(text.trim()).toMatch(/^[\p{L}\p{N}\p{P}\p{S} ]+$/u)
    expect(JSON.parse(text)).toMatchObject({ key, msg: key })
    closeSync(fd)
    rmSync(directory, { recursive: true })
  })

  it('is written at once to a file', () => {
    const directory = mkdtempSync(join(tmpdir(), 'throttler-log-'))
    const fd = openSync(join(directory, 'log'), 'a')
    const logger = createLogger({ level: 'info', role: 'test', fd })
    for (let n = 0; n < 3; n++) logger.info({ n }, 'said')
    const lines = readFileSync(join(directory, 'log'), 'utf8').trim().split('\n')
    expect(lines.map(line => JSON.parse(line).n)).toEqual([0, 1, 2])
    closeSync(fd)
    rmSync(directory, { recursive: true })
  })

  it('on a full disk neither throws nor grows without bound', async () => {
    const fd = openSync('/dev/full', 'w')
    const stream = new LogStream(fd, () => undefined)
    for (let n = 0; n < LINES; n++) stream.write(lineOf(n))
    expect(stream.pendingBytes).toBeGreaterThan(0)
    expect(stream.pendingBytes).toBeLessThanOrEqual(MAX_PENDING_BYTES)
  })
})

describe('a log to an unread pipe', () => {
  let fifo: Fifo
  beforeEach(() => {
    fifo = new Fifo()
  })
  afterEach(() => fifo.close())

  it('does not block and does not grow without bound', () => {
    const stream = new LogStream(fifo.writeEnd, () => undefined)
    for (let n = 0; n < LINES; n++) stream.write(lineOf(n))
    expect(stream.pendingBytes).toBeLessThanOrEqual(MAX_PENDING_BYTES)
  })

  it('continues once it is read: whole lines in order, then how many were dropped', async () => {
    const logger = createLogger({ level: 'info', role: 'test', fd: fifo.writeEnd })
    for (let n = 0; n < LINES; n++) logger.info({ n }, 'said')
    let text = ''
    await eventually(() => {
      text += fifo.read()
      // A matcher for texts would quote a megabyte in its message at each try.
      expect(text.includes('log lines were dropped')).toBe(true)
    })
    logger.info('said again')
    text += fifo.read()
    const lines = text.trim().split('\n')
    const [last, notice, ...said] = lines.map(line => JSON.parse(line)).reverse()
    expect(last.msg).toBe('said again')
    expect(notice).toMatchObject({ level: 40, role: 'test', suppressed: LINES - said.length })
    expect(said.reverse().map(({ n }) => n)).toEqual(said.map((_, index) => index))
  })
})
