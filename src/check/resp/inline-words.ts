import { ProtocolError } from './protocol-error.ts'

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }
const SPACE = /[ \t\r\n\v\f\0]/
const HEX_ESCAPE = /^x([0-9a-fA-F]{2})/

/**
 * The words of an inline command, a line as people type it. In double quotes, a backslash escapes; in single quotes, only a single
 * quote.
 * @param line bytes, as the characters U+0000 to U+00FF
 * @throws {ProtocolError} unbalanced quotes, as in Redis
 * @see https://github.com/redis/redis/blob/7.2/src/sds.c, `sdssplitargs`
 */
export function inlineWords(line: string): string[] {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (at < line.length && SPACE.test(line.charAt(at))) at++
    if (at === line.length) return words
    const { word, end } = wordAt(line, at)
    words.push(word)
    at = end
  }
}

interface Word {
  readonly word: string
  readonly end: number
}

function wordAt(line: string, start: number): Word {
  const parts: string[] = []
  let at = start
  while (at < line.length && !SPACE.test(line.charAt(at))) {
    const character = line.charAt(at)
    if (character === '"' || character === "'") {
      const quoted = quotedAt(line, at + 1, character)
      return { word: parts.join('') + quoted.word, end: quoted.end }
    }
    parts.push(character)
    at++
  }
  return { word: parts.join(''), end: at }
}

/** The rest of a word after its opening quote. Nothing may follow the closing one. */
function quotedAt(line: string, start: number, quote: '"' | "'"): Word {
  const parts: string[] = []
  let at = start
  while (at < line.length) {
    const character = line.charAt(at)
    if (character === quote) {
      const end = at + 1
      if (end < line.length && !SPACE.test(line.charAt(end))) break
      return { word: parts.join(''), end }
    }
    const { text, length } = character === '\\' ? escapeAt(line, at, quote) : { text: character, length: 1 }
    parts.push(text)
    at += length
  }
  throw new ProtocolError('unbalanced quotes in request')
}

function escapeAt(line: string, at: number, quote: '"' | "'"): { text: string; length: number } {
  const next = line.charAt(at + 1)
  if (quote === "'") return next === "'" ? { text: "'", length: 2 } : { text: '\\', length: 1 }
  const [, hex] = HEX_ESCAPE.exec(line.slice(at + 1, at + 4)) ?? []
  if (hex !== undefined) return { text: String.fromCharCode(Number.parseInt(hex, 16)), length: 4 }
  return next === '' ? { text: '\\', length: 1 } : { text: ESCAPES[next] ?? next, length: 2 }
}
