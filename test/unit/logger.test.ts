import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { createLogger } from '../../src/logger.ts'

it('shows of an error what happened and where, but not the command of Redis that failed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'throttler-logger-'))
  const path = join(directory, 'log')
  const err = Object.assign(new Error('WRONGPASS invalid username-password pair'), {
    code: 'EAUTH',
    command: { name: 'hello', args: ['3', 'AUTH', 'ann', 'hunter2'] },
  })
  createLogger({ level: 'info', role: 'test', fd: openSync(path, 'w') }).error({ err }, 'lost')
  const text = readFileSync(path, 'utf8')
  rmSync(directory, { recursive: true })
  expect(JSON.parse(text)).toMatchObject({
    msg: 'lost',
    err: { type: 'Error', message: 'WRONGPASS invalid username-password pair', code: 'EAUTH' },
  })
  expect(text).not.toContain('hunter2')
})
