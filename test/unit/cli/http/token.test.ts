import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { tokenOfFile, tokenOfVariable } from '../../../../src/cli/http/token.ts'

const TOKEN = 'a-token-of-27-characters-xy'

it('a token in the variable is used as it is', () => {
  expect(tokenOfVariable(TOKEN)).toEqual({ value: TOKEN, source: 'THROTTLER_TOKEN' })
  expect(tokenOfVariable(undefined)).toBeUndefined()
})

it.each([`${TOKEN} and more`, `${TOKEN}\n`, `${TOKEN}é`])('the refusal of %j does not show it', value => {
  expect(() => tokenOfVariable(value)).toThrow(/^THROTTLER_TOKEN must contain one token of visible ASCII characters/)
  expect(() => tokenOfVariable(value)).not.toThrow(new RegExp(TOKEN))
})

describe('a token file', () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'throttler-token-'))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  /** What is read, and the warnings. */
  function readFile(text: string, mode: number) {
    const path = join(directory, 'token')
    writeFileSync(path, text)
    chmodSync(path, mode)
    const warnings: string[] = []
    return { value: tokenOfFile(path, warning => warnings.push(warning)).value, warnings }
  }

  it('may end with a newline', () => {
    expect(readFile(`${TOKEN}\n`, 0o600)).toEqual({ value: TOKEN, warnings: [] })
    expect(readFile(` ${TOKEN}\r\n`, 0o400)).toEqual({ value: TOKEN, warnings: [] })
  })

  it.each([0o644, 0o640, 0o604, 0o660])('is used with a warning if others can access it (mode %o)', mode => {
    const { value, warnings } = readFile(TOKEN, mode)
    expect(value).toBe(TOKEN)
    expect(warnings).toEqual([
      expect.stringMatching(/^warning: others can access --token-file ".*" \(mode 06\d\d\); run "chmod 600" on it$/),
    ])
    expect(warnings.join()).not.toContain(TOKEN)
  })

  it.each(['', '\n', '  \n'])('that contains only %j is refused', text => {
    expect(() => readFile(text, 0o600)).toThrow(/^--token-file ".*" is empty; it must contain a token$/)
  })

  it('with several tokens is refused, without showing them', () => {
    expect(() => readFile(`${TOKEN}\n${TOKEN}\n`, 0o600)).toThrow(/must contain one token/)
    expect(() => readFile(`${TOKEN}\n${TOKEN}\n`, 0o600)).not.toThrow(new RegExp(TOKEN))
  })

  it.each([
    ['that does not exist', '/nonexistent', /^--token-file "\/nonexistent" cannot be read: ENOENT/],
    ['that is a directory', tmpdir(), /cannot be read: not a regular file$/],
    ['that never ends', '/dev/zero', /^--token-file "\/dev\/zero" cannot be read: not a regular file$/],
  ])('%s is refused', (_, path, message) => {
    expect(() => tokenOfFile(path, () => undefined)).toThrow(message)
  })

  it('may be a pipe', () => {
    const pipe = join(directory, 'pipe')
    execFileSync('mkfifo', ['--mode=600', pipe])
    const writer = spawn('sh', ['-c', `echo ${TOKEN} > ${pipe}`])
    expect(tokenOfFile(pipe, () => undefined).value).toBe(TOKEN)
    writer.kill()
  })

  it('of more than 1 MiB is refused', () => {
    expect(() => readFile('a'.repeat(1024 * 1024 + 1), 0o600)).toThrow(/cannot be read: larger than 1048576 bytes$/)
  })
})
