import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { objectsIn, runThrottler, runThrottlerOnTerminal, runThrottlerWith } from '../support/cli.ts'
import { describeWithTerminal } from '../support/describe-with-terminal.ts'

const good = (key: string) => JSON.stringify({ key, capacity: 3, refillTokens: 1 })

let directory: string
let file: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throttler-policies-'))
  file = join(directory, 'policies.ndjson')
})
afterAll(() => rm(directory, { recursive: true }))

const write = (...lines: readonly string[]) => writeFile(file, lines.map(line => `${line}\n`).join(''))

describe('throttler check-policies', () => {
  async function check(...lines: readonly string[]) {
    await write(...lines)
    const { code, output, complaints } = await runThrottler(['check-policies', file])
    return { code, found: objectsIn(output), complaints }
  }

  it('finds no fault in a file that can be imported', async () => {
    expect(await check(good('a'), good('b:*'))).toEqual({ code: 0, found: [{ good: 2, bad: 0 }], complaints: '' })
  })

  it('warns of a key that looks like a network', async () => {
    const detail = expect.stringMatching(/^the key "ip:10.0.0.0\/8" looks like a network/)
    expect(await check(good('a'), good('ip:10.0.0.0/8'))).toEqual({
      code: 0,
      found: [
        { line: 2, severity: 'warning', detail },
        { good: 2, bad: 0 },
      ],
      complaints: '',
    })
  })

  it('names every invalid line, with the reason', async () => {
    const lines = [good('a'), '{"key":', good('a'), good('*a'), '{"key":"x","capacity":0,"refillTokens":1}']
    const error = (line: number, detail: unknown) => ({ line, severity: 'error', detail })
    expect(await check(...lines)).toEqual({
      code: 1,
      found: [
        error(2, expect.stringMatching(/^it is not valid JSON/)),
        error(3, 'the key "a" is already on line 1'),
        error(4, expect.stringMatching(/"\*" is allowed only at the end/)),
        error(5, expect.stringMatching(/^\/capacity/)),
        { good: 1, bad: 4 },
      ],
      complaints: '',
    })
  })

  it('ends at a line that is too long', async () => {
    const found = [
      { line: 2, severity: 'error', detail: 'it has more than 65536 bytes' },
      { good: 1, bad: 1 },
    ]
    expect(await check(good('a'), 'x'.repeat(65_537))).toMatchObject({ code: 1, found })
  })

  it.each([
    ['that does not exist', '/nonexistent', /^throttler check-policies: \/nonexistent cannot be read: ENOENT.*\n$/],
    ['that is a directory', tmpdir(), /^throttler check-policies: .* cannot be read: EISDIR.*\n$/],
  ])('reports in one line that a file %s cannot be read', async (_, path, complaint) => {
    expect(await runThrottler(['check-policies', path])).toEqual({
      code: 2,
      output: '',
      complaints: expect.stringMatching(complaint),
    })
  })

  it('reports that standard input is a directory', async () => {
    const complaints = 'throttler check-policies: standard input cannot be read: it is a directory\n'
    expect(await runThrottlerWith('< /', ['check-policies', '-'])).toEqual({ code: 2, output: '', complaints })
  })

  it('shows the control characters of a file as escape sequences, which JSON has too', async () => {
    await write('\u001b]0;title\u0007', good('\u202eip:10.0.0.0/8'))
    const { output } = await runThrottler(['check-policies', file])
    expect(output).toContain('\\u001b]0;title\\u0007')
    expect(output).not.toMatch(/[^\P{Cc}\n]|\u202e/u)
    expect(objectsIn(output)).toContainEqual({
      ...{ line: 2, severity: 'warning' },
      detail: expect.stringContaining('\u202e'),
    })
  })
})

describeWithTerminal('throttler check-policies on a terminal', () => {
  it('prints each finding in words, and JSON with --json', async () => {
    await write(good('a'), good('ip:10.0.0.0/8'), good('a'), '\u001b]0;title\u0007')
    const { code, output } = await runThrottlerOnTerminal(['check-policies', file])
    expect([code, output.split('\n')]).toEqual([
      1,
      [
        expect.stringMatching(/^line 2: warning: the key "ip:10.0.0.0\/8" looks like a network/),
        'line 3: the key "a" is already on line 1',
        expect.stringMatching(/^line 4: it is not valid JSON: .*\\u001b\]0;title\\u0007/),
        '2 good, 2 bad',
        '',
      ],
    ])
    const asJson = await runThrottlerOnTerminal(['check-policies', file, '--json'])
    expect(objectsIn(asJson.output)).toHaveLength(4)
  })
})
