import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals'
import { checkPoliciesCommand } from '../../../src/cli/check-policies.command.ts'
import { convertLogCommand } from '../../../src/cli/convert-log.command.ts'

/** More than are read at once. */
const LINES = 10_000

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-slow-reader-'))
})
afterAll(() => rmSync(directory, { recursive: true }))
afterEach(() => {
  jest.restoreAllMocks()
})

/** Makes standard output full after each write, until the next turn of the event loop. */
function slowOutput() {
  const written = { lines: 0, whileFull: 0 }
  let isFull = false
  jest.spyOn(process.stdout, 'write').mockImplementation(text => {
    written.lines += String(text).split('\n').length - 1
    if (isFull) written.whileFull++
    isFull = true
    setImmediate(() => {
      isFull = false
      process.stdout.emit('drain')
    })
    return false
  })
  return written
}

it.each([
  ['check-policies', checkPoliciesCommand, { json: true }, 'bad', LINES + 1],
  [
    'convert-log',
    convertLogCommand,
    { format: 'json', key: '{key}' },
    '{"time":"2026-01-31T14:03:00Z","key":"a"}',
    LINES,
  ],
] as const)('%s waits for a slow reader of its output', async (name, command, values, line, expected) => {
  const file = join(directory, name)
  writeFileSync(file, `${line}\n`.repeat(LINES))
  const written = slowOutput()
  await command.run(values, [file])
  jest.restoreAllMocks()
  expect(written).toEqual({ lines: expected, whileFull: 0 })
})
