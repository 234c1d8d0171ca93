import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { readInlineWords } from '../../src/check/resp/inline-words.ts'
import { ProtocolError } from '../../src/check/resp/protocol-error.ts'
import { Words } from '../../src/check/resp/words.ts'

const UNBALANCED = 'unbalanced quotes in request'
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }

function read(line: string, maxWords = 1_024): readonly string[] | string {
  const words = new Words()
  try {
    readInlineWords(Buffer.from(line, 'latin1'), words, maxWords)
    return Array.from({ length: words.count }, (_, i) => words.binary(i))
  } catch (err) {
    if (!(err instanceof ProtocolError)) throw err
    return err.message
  }
}

/** As `sdssplitargs` of Redis reads it, written for the eye. */
function split(line: string): readonly string[] | string {
  const words: string[] = []
  let rest = line.replace(/^[\s\0]+/, '')
  while (rest !== '') {
    const [plain = ''] = /^[^\s\0"']*/.exec(rest) ?? []
    rest = rest.slice(plain.length)
    const quoted = /^["']/.test(rest) ? QUOTED.exec(rest) : undefined
    if (quoted === null) return UNBALANCED
    const [all = '', double, single] = quoted ?? []
    words.push(plain + (double?.replace(ESCAPE, unescaped) ?? single?.replaceAll("\\'", "'") ?? ''))
    rest = rest.slice(all.length).replace(/^[\s\0]+/, '')
  }
  return words
}

const QUOTED = /^(?:"((?:\\.|[^"\\])*)"|'((?:\\'|[^'\\]|\\(?!'))*)')(?=[\s\0]|$)/s
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|(.))/gs

function unescaped(_all: string, hex: string | undefined, letter: string): string {
  return hex === undefined ? (ESCAPES[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16))
}

const parts = fc.constantFrom(
  '"',
  "'",
  '\\',
  '\\x4f',
  '\\xz',
  '\\n',
  ' ',
  '\t',
  '\0',
  'a',
  'PING',
  '\xff',
  '"a b"',
  "'c'",
)
const lines = fc.array(parts, { maxLength: 12 }).map(chosen => chosen.join(''))

it('the words of an inline command are those that Redis would read', () => {
  fc.assert(
    fc.property(lines, line => {
      expect(read(line)).toEqual(split(line))
    }),
    { numRuns: 5_000 },
  )
})

it('an inline command has a bounded number of words', () => {
  expect(read('a '.repeat(4), 4)).toEqual(['a', 'a', 'a', 'a'])
  expect(read('a '.repeat(5), 4)).toBe('too big inline request')
})
