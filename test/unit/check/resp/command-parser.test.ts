import { beforeEach, describe, expect, it } from '@jest/globals'
import { CommandParser } from '../../../../src/check/resp/command-parser.ts'
import { frameOf } from '../../../support/resp-client.ts'

let parser: CommandParser
beforeEach(() => {
  parser = new CommandParser()
})

/** The words of all commands that these bytes complete. */
function parse(...chunks: readonly (string | Buffer)[]): string[][] {
  const commands: string[][] = []
  for (const chunk of chunks) {
    parser.push(Buffer.from(chunk as string))
    for (let words = parser.next(); words !== undefined; words = parser.next()) {
      const { count } = words
      if (count > 0) commands.push(Array.from({ length: count }, (_, i) => words?.binary(i) ?? ''))
    }
    parser.settle()
  }
  return commands
}

describe('a command', () => {
  it('is an array of strings of any bytes', () => {
    expect(parse('*3\r\n$4\r\nECHO\r\n$0\r\n\r\n$5\r\n\r\n\0é\r\n')).toEqual([['ECHO', '', '\r\n\0\xc3\xa9']])
  })

  it('follows another one in the same bytes', () => {
    expect(parse(Buffer.concat([frameOf('PING'), frameOf('ECHO', 'a'), frameOf('PING')]))).toEqual([
      ['PING'],
      ['ECHO', 'a'],
      ['PING'],
    ])
  })

  it('is skipped if it is empty', () => {
    expect(parse('*0\r\n*-1\r\n\r\n  \r\n*1\r\n$4\r\nPING\r\n\r\n*0\r\n')).toEqual([['PING']])
  })

  it('counts if it is empty, unless it is an empty line', () => {
    parser.push(Buffer.from(`${' \n'.repeat(100)}\n\r\n${'*0\r\n'.repeat(100)}\n`))
    for (let i = 0; i < 200; i++) expect(parser.next()?.count).toBe(0)
    expect(parser.next()).toBeUndefined()
    expect(parser.heldBytes).toBe(0)
  })

  it('can follow the first half of an empty line', () => {
    expect(parse('\n\r', '\nPING\n\r', 'ECHO a\n')).toEqual([['PING'], ['ECHO', 'a']])
  })

  it.each(['\n', '\r\n'])('can follow 4 MiB of the empty lines %j', line => {
    expect(parse(Buffer.alloc(4 * 1024 * 1024, line), frameOf('PING'))).toEqual([['PING']])
  })

  it('can be a line, with words in quotes', () => {
    expect(parse('  ECHO  "a \\"b\\"\\x41\\n" \'c\\\'d\' e\r\nPING\n')).toEqual([
      ['ECHO', 'a "b"A\n', "c'd", 'e'],
      ['PING'],
    ])
  })

  it('can be of as many bytes as allowed, whatever the pieces in which it arrives', () => {
    const frame = frameOf('ECHO', 'x'.repeat(64 * 1024 - 4))
    const pieces = Array.from({ length: frame.length }, (_, i) => frame.subarray(i, i + 1))
    expect(parse(...pieces)).toEqual([['ECHO', 'x'.repeat(64 * 1024 - 4)]])
    expect(parser.heldBytes).toBe(0)
  })
})

describe('the memory of a parser', () => {
  it('is free after a complete command', () => {
    parse(frameOf('ECHO', 'x'.repeat(60_000)))
    expect(parser.heldBytes).toBe(0)
  })

  it.each([
    ['of many bytes', frameOf('ECHO', 'x'.repeat(60_000))],
    ['of many words', frameOf(...Array.from({ length: 1_024 }, () => 'x'))],
    ['in a line', Buffer.from(`ECHO ${'x'.repeat(60_000)}\n`)],
  ])('does not keep the words of an answered command %s', (_name, command) => {
    for (const next of ['', '*2\r\n$4\r\nECHO\r\n']) {
      parser.push(command)
      const words = parser.next()
      parser.push(Buffer.from(next))
      parser.settle()
      expect([words?.count, words?.heldBytes]).toEqual([0, 0])
      parser = new CommandParser()
    }
  })

  it('counts the words that have arrived of an incomplete command', () => {
    expect(parse(`*1024\r\n${'$0\r\n\r\n'.repeat(1_000)}`)).toEqual([])
    expect(parser.heldBytes).toBeGreaterThan(16_000 + 6_000)
    expect(parse('$0\r\n\r\n'.repeat(24))).toHaveLength(1)
    expect(parser.heldBytes).toBe(0)
  })

  it('is only for what is left of the bytes that arrived', () => {
    parse(Buffer.concat([...Array.from({ length: 5_000 }, () => frameOf('PING')), Buffer.from('*1\r\n$4')]))
    expect(parser.heldBytes).toBeLessThanOrEqual(256)
    expect(parse('\r\nPI', frameOf('x').subarray(0, 0), 'NG\r\n')).toEqual([['PING']])
  })

  it('is that of the bytes that arrived, if most of them are left', () => {
    const piece = Buffer.from(`*2\r\n$4\r\nECHO\r\n$60000\r\n${'x'.repeat(40_000)}`)
    expect(parse(piece)).toEqual([])
    expect(parser.heldBytes).toBeLessThan(piece.length + 100)
    expect(parse(`${'x'.repeat(20_000)}\r\n`)).toEqual([['ECHO', 'x'.repeat(60_000)]])
  })

  it('is free once what has arrived is discarded', () => {
    parse(`*1024\r\n${'$0\r\n\r\n'.repeat(1_000)}`)
    parser.clear()
    expect(parser.heldBytes).toBe(0)
  })

  it('does not grow with a length that is announced', () => {
    expect(parse('*2\r\n$4\r\nECHO\r\n$65532\r\n')).toEqual([])
    expect(parser.heldBytes).toBeLessThanOrEqual(256 + 16)
  })
})

describe('a parser refuses', () => {
  it.each([
    ['*x\r\n', 'invalid multibulk length'],
    ['*+1\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*1\n', 'invalid multibulk length'],
    ['*1025\r\n', 'invalid multibulk length'],
    ['*3000000000\r\n', 'invalid multibulk length'],
    ['*1111111111111111111111111111\r\n', 'invalid multibulk length'],
    [`*${'1'.repeat(40)}`, 'too big mbulk count string'],
    ['*1\r\nPING\r\n', "expected '$', got 'P'"],
    ['*1\r\n\r\n', "expected '$', got '\r'"],
    ['*1\r\n:1\r\n', "expected '$', got ':'"],
    ['*1\r\n$x\r\n', 'invalid bulk length'],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$04\r\nPING\r\n', 'invalid bulk length'],
    ['*1\r\n$9223372036854775808\r\n', 'invalid bulk length'],
    [`*1\r\n$${'1'.repeat(40)}`, 'too big bulk count string'],
    ['*1\r\n$1073741824\r\n', 'invalid bulk length'],
    ['*2\r\n$4\r\nECHO\r\n$65533\r\n', 'a command of more than 65536 bytes'],
    ['*1\r\n$3\r\nPING\r\n', 'expected CRLF after 3 bytes'],
    ['*1\r\n$5\r\nPING\r\n*1\r\n', 'expected CRLF after 5 bytes'],
    ['ECHO "a\r\n', 'unbalanced quotes in request'],
    ["ECHO 'a\r\n", 'unbalanced quotes in request'],
    ['ECHO "a"b\r\n', 'unbalanced quotes in request'],
    ['ECHO "a\\', undefined],
    ['POST\r\n', 'this port speaks RESP, not HTTP'],
    ['post /x\n', 'this port speaks RESP, not HTTP'],
    ['Host: 127.0.0.1:6380\r\n', 'this port speaks RESP, not HTTP'],
    ['GET / HTTP/1.1\r\n', 'this port speaks RESP, not HTTP'],
    ['OPTIONS /a?b HTTP/1.0\r\n', 'this port speaks RESP, not HTTP'],
    ['x'.repeat(65_537), 'too big inline request'],
    [`${'x '.repeat(1_025)}\r\n`, 'too big inline request'],
  ])('%j: %s', (bytes, fault) => {
    if (fault === undefined) expect(parse(bytes)).toEqual([])
    else expect(() => parse(bytes)).toThrow(expect.objectContaining({ name: 'ProtocolError', message: fault }))
  })
})
