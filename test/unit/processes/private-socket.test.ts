import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { createPrivateSocket, removePrivateSocket } from '../../../src/processes/private-socket.ts'

let directory: string
let dataDir: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-private-'))
  dataDir = join(directory, 'data')
})
afterEach(() => {
  rmSync(directory, { recursive: true })
})

it('is in a directory for temporary files that only its user can enter', () => {
  const path = createPrivateSocket(dataDir, directory)
  expect(dirname(dirname(path))).toBe(directory)
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
  expect(existsSync(dataDir)).toBe(false)
})

it.each([
  ['cannot be written', () => join(directory, 'missing')],
  [
    'has too long a path',
    () => {
      const long = join(directory, 'x'.repeat(100))
      mkdirSync(long)
      return long
    },
  ],
])('is in DATA_DIR if the directory for temporary files %s', (_, temporary) => {
  const path = createPrivateSocket(dataDir, temporary())
  expect(dirname(dirname(path))).toBe(dataDir)
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
})

it('is reported if neither can be used', () => {
  const long = join(directory, 'x'.repeat(100))
  expect(() => createPrivateSocket(long, join(directory, 'missing'))).toThrow(
    /^the embedded store needs a directory for its socket, in TMPDIR or DATA_DIR: ENOENT.*; a socket in .* has a path of \d+ bytes; at most 107 are allowed$/,
  )
})

it('is removed with its directory, however often', () => {
  const path = createPrivateSocket(dataDir, directory)
  writeFileSync(path, '')
  removePrivateSocket(path)
  expect(existsSync(dirname(path))).toBe(false)
  removePrivateSocket(path)
})
