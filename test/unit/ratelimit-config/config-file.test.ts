import { describe, expect, it } from '@jest/globals'
import { readConfigFile } from '../../../src/ratelimit-config/config-file.ts'

const read = (text: string) => readConfigFile('edge.yaml', text)

/** A configuration with one descriptor that has these members. */
const withMembers = (members: string) => read(`domain: edge\ndescriptors: [{key: a, ${members}}]`).descriptors[0]

describe('a configuration of envoyproxy/ratelimit', () => {
  it('has descriptors that follow each other', () => {
    const text = `
domain: edge
descriptors:
  - key: plan
    value: gold
    rate_limit: { unit: Minute, requests_per_unit: 1_000, name: gold, replaces: [{ name: all }] }
    shadow_mode: true
    descriptors:
      - key: user
`
    expect(read(text)).toEqual({
      file: 'edge.yaml',
      domain: 'edge',
      descriptors: [
        {
          key: 'plan',
          value: 'gold',
          rateLimit: { unit: 'MINUTE', requestsPerUnit: 1000, name: 'gold', hasReplaces: true },
          flags: new Set(['shadow_mode']),
          hasMetadata: false,
          descriptors: [
            { key: 'user', value: '', rateLimit: undefined, flags: new Set(), hasMetadata: false, descriptors: [] },
          ],
        },
      ],
    })
  })

  it('has keys and values that are the text of the file', () => {
    const { descriptors } = read('domain: 1\ndescriptors: [{key: 007, value: yes}, {key: "a b", value: ~}]')
    expect(descriptors.map(({ key, value }) => [key, value])).toEqual([
      ['007', 'yes'],
      ['a b', ''],
    ])
  })

  it('can use anchors and merge keys', () => {
    const text = 'domain: edge\ndescriptors: [&a {key: a, shadow_mode: on}, {<<: *a, value: b}]'
    const [, second] = read(text).descriptors
    expect([second?.key, second?.value, second?.flags.has('shadow_mode')]).toEqual(['a', 'b', true])
  })

  it('has a limit of 0 requests if no number is given', () => {
    expect(withMembers('rate_limit: {unit: day}')?.rateLimit?.requestsPerUnit).toBe(0)
  })

  it('has no limit if rate_limit is empty', () => {
    expect(withMembers('rate_limit: ')?.rateLimit).toBeUndefined()
  })

  it.each([
    ['', 'the file must be an object (got null)'],
    ['domain: [', /is not valid YAML: Flow sequence .*line 1, column 10$/],
    ['domain: a\n---\ndomain: b', /is not valid YAML: Source contains multiple documents/],
    ['domain: a\ndomain: b', /is not valid YAML: Map keys must be unique/],
    ['? [domain]\n: a', /is not valid YAML: all keys must be strings/],
    ['domain: *a', /is not valid YAML: .*Unresolved alias/],
    ['descriptors: []', '"domain" must not be empty'],
    ['domain: {}', '"domain" must be a text of valid Unicode (got {})'],
    ['domain: a\nlimits: 1', '"limits" is not a member; members are domain, descriptors'],
    ['domain: a\ndescriptors: {}', '"descriptors" must be a list (got {})'],
    ['domain: a\ndescriptors: [b]', '"descriptors[0]" must be an object (got "b")'],
    ['domain: a\ndescriptors: [{value: b}]', '"descriptors[0].key" must not be empty'],
  ])('is refused if it is %j', (text, message) => {
    expect(() => read(text)).toThrow(typeof message === 'string' ? `edge.yaml: ${message}` : message)
  })

  it.each([
    ['lists', '['.repeat(20_000)],
    ['lists in block style', '- '.repeat(20_000)],
    ['maps as keys', '? '.repeat(20_000)],
    ['aliases', 'domain: a\ndescriptors: &x\n- key: k\n  descriptors: *x'],
    ['descriptors', `domain: a\n${'descriptors: [{key: a, '.repeat(20_000)}`],
  ])('is refused if %s are nested deeply', (_, text) => {
    expect(() => read(text)).toThrow('edge.yaml: must be nested at most 500 levels deep')
  })

  it('can have descriptors a hundred levels deep', () => {
    const levels = 100
    let [innermost] = read(`domain: a\n${'descriptors: [{key: a, '.repeat(levels)}${'}]'.repeat(levels)}`).descriptors
    for (let level = 1; level < levels; level++) innermost = innermost?.descriptors[0]
    expect(innermost?.descriptors).toEqual([])
  })

  it.each([
    ['ratelimit: {}', /^edge\.yaml: "descriptors\[0\]\.ratelimit" is not a member; members are key, value, /],
    ['shadow_mode: maybe', '"descriptors[0].shadow_mode" must be true or false (got "maybe")'],
    ['value: b, share_threshold: true', '"descriptors[0].share_threshold" is only for values that end in "*"'],
    ['rate_limit: {unit: fortnight}', /\.rate_limit\.unit" must be one of second, minute, .* \(got "fortnight"\)$/],
    ['rate_limit: {unit: day, unlimited: true}', /\.unit" must be absent, since the limit is unlimited$/],
    ['rate_limit: {unit: day, requests_per_unit: -1}', /must be an integer between 0 and 4294967295 \(got "-1"\)$/],
    ['rate_limit: {unit: day, requests_per_unit: 4294967296}', /must be an integer between 0 and 4294967295/],
    [
      'rate_limit: {unit: day, name: b, replaces: [{name: b}]}',
      /replaces\[0\]\.name" must not be the name of the same/,
    ],
    ['rate_limit: {unit: day, replaces: [{}]}', /replaces\[0\]\.name" must not be empty$/],
  ])('is refused if a descriptor has %s', (members, message) => {
    expect(() => withMembers(members)).toThrow(message)
  })
})
