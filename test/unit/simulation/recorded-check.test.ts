import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { RecordedChecks } from '../../../src/simulation/recorded-check.ts'
import { runs } from '../../support/property-runs.ts'

const parse = (line: object | string) =>
  new RecordedChecks().parse(typeof line === 'string' ? line : JSON.stringify(line))

describe('a line of traffic', () => {
  it.each([
    ['2026-01-31T14:03:00.120Z', 1_769_868_180_120],
    ['2026-01-31T14:03:00Z', 1_769_868_180_000],
    ['2026-01-31T15:03:00.1209+01:00', 1_769_868_180_120],
    ['2026-01-31t14:03:00.12z', 1_769_868_180_120],
    [1_769_868_180_120, 1_769_868_180_120],
    [1_769_868_180_120.9, 1_769_868_180_120],
    [0, 0],
  ])('with the time %j is a check at %i', (at, atMs) => {
    expect(parse({ at, key: 'a' })).toEqual({ atMs, key: 'a', tokens: 1, policy: undefined })
  })

  it('can have tokens and name a policy', () => {
    expect(parse({ at: 5, key: 'user:42', tokens: 0, policy: 'plan:gold' })).toEqual({
      atMs: 5,
      key: 'user:42',
      tokens: 0,
      policy: 'plan:gold',
    })
  })

  it.each([
    ['{"at":"2026-01-31T14:03:00.120Z","key":"user:42"}', 'user:42', 1],
    ['{"at":"2026-01-31T14:03:00.120Z","key":"user:42","tokens":0}', 'user:42', 0],
    ['{"at":"2026-01-31T14:03:00.120Z","key":"user:42","tokens":1000000000}', 'user:42', 1_000_000_000],
    ['{"at":"2026-01-31T14:03:00.120Z","key":"user:42","tokens":1e2}', 'user:42', 100],
    ['{"at":"2026-01-31T14:03:00.120Z","key":"user:42", "tokens":7 }', 'user:42', 7],
    ['{"at":"2026-01-31T14:03:00.120Z","key":"a\\u0041\\"","tokens":2}', 'aA"', 2],
    ['{"at":"2026-01-31T14:03:00.120Z","key":"é","tokens":2}', 'é', 2],
    ['{"at":"2026-01-31T14:03:00.120Z","key":"first","key":"second"}', 'second', 1],
  ])('is read alike in whatever way it is written: %s', (line, key, tokens) => {
    expect(parse(line)).toEqual({ atMs: 1_769_868_180_120, key, tokens, policy: undefined })
  })

  it.each([
    '{"at":"2026-01-31T14:03:00.120Z","key":"a","tokens":01}',
    '{"at":"2026-01-31T14:03:00.120Z","key":"a","tokens":1',
    '{"at":"2026-01-31T14:03:00.120Z","key":"a","tokens":1}}',
    '{"at":"2026-01-31T14:03:00.120Z","key":"a","tokens":}',
    '{"at":"2026-01-31T14:03:00.120Z","key":"a\t"}',
    '{"at":"2026-01-31T14:03:00.120Z","key":"a',
    '{"at":"2026-01-31T14:03:00.120Z","key":"}',
  ])('is refused if it is not JSON, however close it is: %s', line => {
    expect(() => parse(line)).toThrow(/^is not valid JSON: /)
  })

  it('is what JSON makes of it, for any time, key and tokens', () => {
    const anyLine = fc.record({
      at: fc.oneof(
        fc.date({ noInvalidDate: true }).map(at => at.toISOString()),
        fc.string({ minLength: 24, maxLength: 24 }),
      ),
      key: fc.string({ unit: 'grapheme-ascii' }),
      tokens: fc.oneof(fc.integer({ min: -1 }), fc.double()),
    })
    const outcomeOf = (line: string) => {
      try {
        return parse(line)
      } catch (err) {
        return (err as Error).message
      }
    }
    fc.assert(
      fc.property(anyLine, members => {
        const spaced = JSON.stringify(members, undefined, 1).replaceAll('\n', '')
        expect(outcomeOf(JSON.stringify(members))).toEqual(outcomeOf(spaced))
      }),
      runs(300, 20_000),
    )
  })

  it('has the time of its own second if lines of different seconds take turns', () => {
    const checks = new RecordedChecks()
    const times = ['00.001', '01.002', '00.003'].map(
      second => checks.parse(`{"at":"2026-01-31T14:03:${second}Z","key":"a"}`).atMs % 10_000,
    )
    expect(times).toEqual([1, 1_002, 3])
  })

  it.each([
    ['{', /^is not valid JSON: /],
    ['[]', 'must be a JSON object; was []'],
    ['null', 'must be a JSON object; was null'],
    [{ at: 1 }, '"key" must be a string; was missing'],
    [{ key: 'a' }, '"at" must be an RFC 3339 time or milliseconds since 1970; was missing'],
    [{ at: '2026-02-30T00:00:00.000Z', key: 'a' }, /^"at" must be .*was "2026-02-30T00:00:00.000Z"$/],
    [{ at: '2026-01-31 14:03:00', key: 'a' }, /^"at" must be /],
    [{ at: '1769868180120', key: 'a' }, /^"at" must be /],
    [{ at: -1, key: 'a' }, /^"at" must be /],
    [{ at: 1e300, key: 'a' }, /^"at" must be /],
    [{ at: 1, key: '' }, /^the key is empty/],
    [{ at: 1, key: 'a\u0000' }, /control character U\+0000/],
    [{ at: 1, key: 'a', tokens: 1.5 }, '"tokens" must be an integer from 0 to 1000000000; was 1.5'],
    [{ at: 1, key: 'a', tokens: -1 }, /^"tokens" must be /],
    [{ at: 1, key: 'a', tokens: '1' }, /^"tokens" must be /],
    [{ at: 1, key: 'a', policy: 5 }, '"policy" must be a string; was 5'],
    [{ at: 1, key: 'a', policy: 'a*b' }, /^"policy" must be a config key or "default": /],
    [{ at: 1, key: 'a', token: 5 }, '"token" is not a member of a check; at, key, tokens and policy are'],
  ])('%j is refused', (line, why) => {
    expect(() => parse(line)).toThrow(typeof why === 'string' ? new Error(why) : why)
  })

  it('is not repeated at length in its fault', () => {
    expect(() => parse({ at: 'x'.repeat(10_000), key: 'a' })).toThrow(/^.{0,200}…$/)
  })
})
