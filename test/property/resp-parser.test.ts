import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { CommandParser } from '../../src/check/resp/command-parser.ts'
import { ProtocolError } from '../../src/check/resp/protocol-error.ts'
import { frameOf } from '../support/resp-client.ts'

/** What a parser makes of bytes in these pieces: commands, and the protocol error that ends them. */
function parsed(pieces: readonly Buffer[]): readonly (string | readonly string[])[] {
  const parser = new CommandParser()
  const results: (string | readonly string[])[] = []
  try {
    for (const piece of pieces) {
      parser.push(piece)
      for (let words = parser.next(); words !== undefined; words = parser.next()) {
        const { count } = words
        if (count > 0) results.push(Array.from({ length: count }, (_, i) => words?.binary(i) ?? ''))
      }
      parser.settle()
      expect(parser.heldBytes).toBeLessThanOrEqual(4 * 64 * 1024)
    }
  } catch (err) {
    if (!(err instanceof ProtocolError)) throw err
    results.push(err.message)
  }
  return results
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map(place => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

const places = fc.array(fc.nat(), { maxLength: 20 })
const word = fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes))
const commands = fc.array(fc.array(word, { minLength: 1, maxLength: 6 }), { maxLength: 8 })
/** Bytes that often look like frames. */
const anything = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '*',
        '$',
        '\r\n',
        '\n',
        '1',
        '3',
        '-1',
        'PING',
        ' ',
        '"',
        "'",
        '\\',
        '\0',
        '*1\r\n',
        '$4\r\nPING\r\n',
      ),
      fc.string({ maxLength: 4 }),
    ),
    { maxLength: 40 },
  )
  .map(parts => Buffer.from(parts.join(''), 'latin1'))

it('commands are read as they were sent, in pieces of any size', () => {
  fc.assert(
    fc.property(commands, places, (sent, at) => {
      const bytes = Buffer.concat(sent.map(words => frameOf(...words)))
      expect(parsed(cut(bytes, at))).toEqual(sent.map(words => words.map(bytes => bytes.toString('latin1'))))
    }),
  )
})

it('commands are read as they were sent if they are split at every byte', () => {
  fc.assert(
    fc.property(commands, sent => {
      const bytes = Buffer.concat(sent.map(words => frameOf(...words)))
      const pieces = [...bytes].map(byte => Buffer.from([byte]))
      expect(parsed(pieces)).toEqual(parsed([bytes]))
    }),
    { numRuns: 30 },
  )
})

it('any bytes, in pieces of any size, are read the same way or refused the same way', () => {
  fc.assert(
    fc.property(anything, places, (bytes, at) => {
      expect(parsed(cut(bytes, at))).toEqual(parsed([bytes]))
    }),
    { numRuns: 1_000 },
  )
})
