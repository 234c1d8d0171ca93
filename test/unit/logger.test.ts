import { describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { safety } from '../../src/logger.ts'

const written = (value: object): string => {
  const lines: string[] = []
  pino(safety, { write: line => void lines.push(line) }).info(value, 'said')
  return lines.join('')
}

describe('a log line', () => {
  it('shows no authorization, wherever it stands', () => {
    const headers = { authorization: 'Bearer hunter2' }
    for (const value of [headers, { headers }, { request: { headers } }]) {
      expect(written(value)).toContain('[redacted]')
      expect(written(value)).not.toContain('hunter2')
    }
  })

  it('names the command of Redis that failed, but not what it was called with', () => {
    const message = "ERR unknown command 'EVALSHA', with args beginning with: 'abc' '1' 'throttler:{x}:user:42' "
    const err = Object.assign(new Error(message), { command: { name: 'evalsha', args: ['abc', '1', 'user:42'] } })
    const line = written({ err })
    expect(JSON.parse(line).err).toMatchObject({ command: 'evalsha', message: "ERR unknown command 'EVALSHA'" })
    expect(line).not.toContain('user:42')
  })
})
