import { describe, expect, it } from '@jest/globals'
import { combinedFormat, jsonFormat } from '../../../src/simulation/access-log.ts'
import { promised } from '../../support/promised.ts'

const LINE =
  '203.0.113.7 - alice [31/Jan/2026:15:03:00 +0100] "GET /v1/items?page=2 HTTP/1.1" 200 512 "-" "curl/8.1 \\"x\\""'

describe('the format combined', () => {
  it('has the fields of nginx, without the query of the path', () => {
    const { at, field } = combinedFormat(LINE)
    expect(at).toBe('2026-01-31T15:03:00+01:00')
    expect(['remote_addr', 'remote_user', 'method', 'path', 'status', 'bytes'].map(field)).toEqual([
      '203.0.113.7',
      'alice',
      'GET',
      '/v1/items',
      '200',
      '512',
    ])
  })

  it('reads a line of the format common, an unknown user, and a request that was no HTTP', () => {
    const { field } = combinedFormat('::1 - - [31/Jan/2026:15:03:00 +0100] "\\x16\\x03" 400 -')
    expect(['remote_addr', 'remote_user', 'method', 'path', 'bytes', 'toString'].map(field)).toEqual([
      '::1',
      undefined,
      undefined,
      undefined,
      '0',
      undefined,
    ])
  })

  it.each([
    'a b',
    ' ',
    '  a  ',
    'a [b',
    'a [31/Jan/2026:15:03:00 +0100] b',
    'a [x] \\"GET / HTTP/1.1\\" 200 5',
    'a [x] \\x22GET / HTTP/1.1\\x22 200 5',
    'DOMAIN\\user',
    'a\\\\',
    '""',
  ])('reads a line with the user name %j, in the formats combined and common', user => {
    for (const line of [LINE, LINE.replace(/ "-" .*/, '')]) {
      const { at, field } = combinedFormat(line.replace('alice', () => user))
      expect([at, ...['remote_addr', 'remote_user', 'method', 'path', 'status'].map(field)]).toEqual([
        '2026-01-31T15:03:00+01:00',
        '203.0.113.7',
        user,
        'GET',
        '/v1/items',
        '200',
      ])
    }
  })

  it('reads a long line without a time in linear time', () => {
    const startedAt = performance.now()
    expect(() => combinedFormat(`203.0.113.7 - ${'a [b \\"'.repeat(100_000)}`)).toThrow('is not a line')
    expect(performance.now() - startedAt).toBeLessThan(promised(1_000))
  })

  it.each(['', 'hello', '{"time":1}', LINE.replace('[', '')])('does not read %j', line => {
    expect(() => combinedFormat(line)).toThrow('is not a line of the format "combined"')
  })

  it('leaves a time that it does not know to the reader of times', () => {
    expect(combinedFormat(LINE.replace('31/Jan/2026', '31/Foo/2026')).at).toBe('2026-00-31T15:03:00+01:00')
    expect(combinedFormat(LINE.replace('31/Jan/2026:15:03:00 +0100', 'now')).at).toBe('now')
  })
})

describe('the format json', () => {
  it('finds members by name, and with a dot inside objects', () => {
    const { field } = jsonFormat('time')('{"time":1,"user":{"id":42},"a.b":"c","user.name":"x"}')
    expect(['user.id', 'a.b', 'user.name', 'user.other', 'user.id.x', 'none', '__proto__'].map(field)).toEqual([
      42,
      'c',
      'x',
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  it.each([
    ['"2026-01-31T14:03:00Z"', '2026-01-31T14:03:00Z'],
    ['1769868180', 1_769_868_180_000],
    ['1769868180.120', 1_769_868_180_120],
    ['"1769868180.120"', 1_769_868_180_120],
    ['1769868180120', 1_769_868_180_120],
  ])('reads the time %s as %j', (given, at) => {
    expect(jsonFormat('t')(`{"t":${given}}`).at).toBe(at)
  })

  it('does not read a line that is not JSON', () => {
    expect(() => jsonFormat('t')('{')).toThrow(/^is not valid JSON/)
  })
})
