import { describe, expect, it } from '@jest/globals'
import { policyMembers } from '../../../src/domain/policy.ts'
import { readConfigFile } from '../../../src/ratelimit-config/config-file.ts'
import { translate } from '../../../src/ratelimit-config/translate.ts'

const translated = (...texts: readonly string[]) =>
  translate(texts.map((text, index) => readConfigFile(`${index + 1}.yaml`, text)))

/** A configuration of the domain `edge`. @param descriptors in YAML's short form */
const config = (descriptors: string, domain = 'edge') => `domain: ${domain}\ndescriptors: [${descriptors}]`

function policies(...texts: readonly string[]) {
  return Object.fromEntries(translated(...texts).policies.map(({ key, policy }) => [key, policyMembers(policy)]))
}

/** Those of single descriptors. */
function findings(...texts: readonly string[]) {
  return translated(...texts).findings.flatMap(({ configKey, detail, isDifference }) =>
    configKey === undefined ? [] : `${isDifference ? 'difference' : 'remark'} of ${configKey}: ${detail}`,
  )
}

const remarks = (...texts: readonly string[]) =>
  translated(...texts).findings.flatMap(({ file, configKey, detail }) =>
    configKey === undefined ? `${file}: ${detail}` : [],
  )

const perMinute = (capacity: number) => ({ kind: 'quota', name: 'default', capacity, period: 'minute' })

describe('a translated configuration', () => {
  it('has a token bucket for a limit per second, and a quota for any other', () => {
    const limits = ['second', 'minute', 'HOUR', 'day', 'week', 'month', 'year'].map(
      unit => `{key: a, value: ${unit}, rate_limit: {unit: ${unit}, requests_per_unit: 5}}`,
    )
    const periods = Object.values(policies(config(limits.join(',')))).map(({ limits: [limit] = [] }) =>
      limit?.kind === 'quota' ? limit.period : limit,
    )
    expect(periods).toEqual([
      { name: 'default', capacity: 5, refillTokens: 5, refillIntervalMs: 1000 },
      'minute',
      'hour',
      'day',
      'week',
      'month',
      'year',
    ])
  })

  it('has a policy for each descriptor that is decided, at any depth', () => {
    const text = `{key: a, rate_limit: {unit: minute, requests_per_unit: 5}, descriptors: [
      {key: b, value: c, rate_limit: {unit: minute, requests_per_unit: 6}},
      {key: b, value: c*, descriptors: [{key: d, rate_limit: {unit: minute, requests_per_unit: 7}}]},
    ]}`
    expect(policies(config(text))).toEqual({
      'rls;edge;a': { limits: [perMinute(5)], mode: 'enforce' },
      'rls;edge;a;b=c': { limits: [perMinute(6)], mode: 'enforce' },
      'rls;edge;a;b=c*;d': { limits: [perMinute(7)], mode: 'enforce' },
    })
  })

  it.each([
    ['no limit', '', 'off'],
    ['an unlimited limit', 'rate_limit: {unlimited: true}', 'off'],
    ['0 requests', 'rate_limit: {unit: minute, requests_per_unit: 0}', 'block'],
    ['0 requests in shadow_mode', 'rate_limit: {unit: minute, requests_per_unit: 0}, shadow_mode: true', 'off'],
  ])('has a policy without limits for a descriptor with %s', (_name, members, mode) => {
    expect(policies(config(`{key: a, ${members}}`))).toEqual({ 'rls;edge;a': { mode } })
  })

  it.each(['shadow_mode', 'quota_mode'])('denies nobody where it has %s', flag => {
    const text = `{key: a, rate_limit: {unit: minute, requests_per_unit: 5}, ${flag}: true}`
    expect(policies(config(text))).toEqual({ 'rls;edge;a': { limits: [perMinute(5)], mode: 'shadow' } })
  })

  it('encodes what has a meaning in the key of a policy', () => {
    const text = '{key: "a=b;", value: "c*d;*"}, {key: e, value: "*"}'
    expect(Object.keys(policies(config(text, '"x;{y}"')))).toEqual([
      'rls;x%3B%7By%7D;a%3Db%3B=c%2Ad%3B*',
      'rls;x%3B%7By%7D;e=*',
    ])
  })

  it('joins files with one domain', () => {
    const [first, second] = ['a', 'b'].map(key => config(`{key: ${key}}`)) as [string, string]
    expect(Object.keys(policies(first, second))).toEqual(['rls;edge;a', 'rls;edge;b'])
    expect(() => policies(first, first)).toThrow('2.yaml: rls;edge;a: the descriptor occurs twice')
  })
})

describe('what is named of a translated configuration', () => {
  const limit = 'rate_limit: {unit: minute, requests_per_unit: 5}'

  it.each([
    [
      `{key: a, rate_limit: {unit: day, requests_per_unit: 1, replaces: [{name: b}]}}`,
      'difference of rls;edge;a: replaces is ignored: the limits that it names are also counted here, and can deny',
    ],
    [`{key: a, ${limit}, quota_mode: true}`, /^difference of rls;edge;a: quota_mode becomes the mode shadow/],
    [
      `{key: a, value: b*, ${limit}, share_threshold: true}`,
      /^difference of rls;edge;a=b\*: share_threshold is ignored/,
    ],
    [`{key: a, ${limit}, metadata: {x: [1]}}`, /^difference of rls;edge;a: metadata is ignored/],
    [
      '{key: a, rate_limit: {unit: day, requests_per_unit: 4294967295}}',
      /^difference of rls;edge;a: requests_per_unit 4294967295 becomes 1000000000/,
    ],
    [`{key: a*, ${limit}}`, /^difference of rls;edge;a\*: the key "a\*" matches only itself here/],
    [
      `{key: a, value: b*c, ${limit}}`,
      /^remark of rls;edge;a=b%2Ac: the "\*" within the value "b\*c" matches only itself/,
    ],
    [
      '{key: a, rate_limit: {unit: day, requests_per_unit: 1, name: Per Day}}',
      'remark of rls;edge;a: the name "Per Day" becomes "-er--ay"',
    ],
  ])('is %s', (descriptor, expected) => {
    const found = findings(config(descriptor))
    expect(found).toEqual([typeof expected === 'string' ? expected : expect.stringMatching(expected)])
  })

  it('is a descriptor whose key would be too long, which is left out', () => {
    const text = config(`{key: ${'a'.repeat(300)}, ${limit}}`)
    expect(policies(text)).toEqual({})
    expect(findings(text)).toEqual([expect.stringMatching(/: it is left out: the key has 309 bytes; 1 to 256/)])
  })

  it('is a limit behind a more specific entry that leads to no limit', () => {
    const text = `{key: a, descriptors: [{key: b, ${limit}}]}, {key: a, value: x, descriptors: [{key: c, ${limit}}]}`
    expect(findings(config(text))).toEqual([
      'difference of rls;edge;a;b: it decides a=x;b=… here; there, nothing does, since the search never goes back from a more specific ' +
        'entry that leads to no limit',
    ])
  })

  it('is a wildcard that an earlier one hides', () => {
    const text = `{key: a, value: "x*", ${limit}}, {key: a, value: "xy*", ${limit}}`
    expect(findings(config(text))).toEqual([
      'difference of rls;edge;a=xy*: it decides a=xy… here; there, rls;edge;a=x* does, the first wildcard in the file; here, the longest ' +
        'prefix wins',
    ])
  })

  it('is nothing where both services choose the same limit', () => {
    const text = `{key: a, value: "xy*", ${limit}}, {key: a, value: "x*", ${limit}}, {key: a, value: xyz}, {key: a, ${limit}}`
    expect(findings(config(text))).toEqual([])
  })

  it('is, once for a file, what differs of all limits of a kind', () => {
    const limits = ['second', 'second', 'week', 'year'].map(
      (unit, index) =>
        `{key: a, value: v${index}, rate_limit: {unit: ${unit}, requests_per_unit: 5}, detailed_metric: true}`,
    )
    expect(remarks(config(limits.join(',')), config('{key: b, value: c}'), config('{key: d}'))).toEqual([
      expect.stringMatching(/^1\.yaml: a limit per second is a token bucket here/),
      expect.stringMatching(/^1\.yaml: a week begins on Monday/),
      expect.stringMatching(/^1\.yaml: months and years are those of the calendar/),
      expect.stringMatching(/^1\.yaml: a denied request spends nothing here/),
      expect.stringMatching(/^1\.yaml: detailed_metric and value_to_metric are ignored/),
      expect.stringMatching(/^3\.yaml: each descriptor has a count of its own here/),
    ])
  })
})
