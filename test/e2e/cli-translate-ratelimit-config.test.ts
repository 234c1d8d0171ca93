import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { objectsIn, runThrottler, runThrottlerWith } from '../support/cli.ts'

const CONFIG = `
domain: edge
descriptors:
  - key: remote_address
    rate_limit: { unit: minute, requests_per_unit: 100 }
  - key: remote_address
    value: 50.0.0.5
    rate_limit: { unit: second, requests_per_unit: 5, name: "blocked?" }
`
const QUOTA = { kind: 'quota', name: 'default', capacity: 100, period: 'minute' }
const BUCKET = { name: 'blocked-', capacity: 5, refillTokens: 5, refillIntervalMs: 1000 }
const POLICIES = [
  { key: 'rls;edge;remote_address', limits: [QUOTA], mode: 'enforce' },
  { key: 'rls;edge;remote_address=50.0.0.5', limits: [BUCKET], mode: 'enforce' },
]

let directory: string
let file: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throttler-translate-'))
  file = join(directory, 'edge.yaml')
  await writeFile(file, CONFIG)
})
afterAll(() => rm(directory, { recursive: true }))

describe('throttler translate-ratelimit-config', () => {
  it('writes policies that can be imported, and names what differs', async () => {
    const { code, output, complaints } = await runThrottler(['translate-ratelimit-config', file])
    expect({ code, policies: objectsIn(output) }).toEqual({ code: 0, policies: POLICIES })
    expect(complaints.trimEnd().split('\n')).toEqual([
      expect.stringContaining(`${file}: a limit per second is a token bucket here`),
      expect.stringContaining(`${file}: a denied request spends nothing here`),
      expect.stringContaining(`${file}: each descriptor has a count of its own here`),
      `${file}: rls;edge;remote_address=50.0.0.5: the name "blocked?" becomes "blocked-"`,
    ])
    const policies = join(directory, 'policies.ndjson')
    await writeFile(policies, output)
    const checked = await runThrottler(['check-policies', policies])
    expect(checked).toEqual({ code: 0, output: '{"good":2,"bad":0}\n', complaints: '' })
  })

  it('ends with code 1 if a descriptor is decided differently, and reads standard input', async () => {
    await writeFile(join(directory, 'more.yaml'), 'domain: edge\ndescriptors: [{key: b*}]')
    const redirection = `< ${join(directory, 'more.yaml')}`
    const { code, output, complaints } = await runThrottlerWith(redirection, ['translate-ratelimit-config', file, '-'])
    expect([code, objectsIn(output)]).toEqual([1, [...POLICIES, { key: 'rls;edge;b*', mode: 'off' }]])
    expect(complaints).toContain('\n-: rls;edge;b*: the key "b*" matches only itself here')
  })

  it.each([
    ['is not valid', 'domain: edge\ndescriptors: [{}]', '"descriptors[0].key" must not be empty'],
    ['does not exist', undefined, 'cannot be read: ENOENT'],
  ])('writes nothing if a file %s', async (_name, text, complaint) => {
    const bad = join(directory, 'bad.yaml')
    if (text === undefined) await rm(bad, { force: true })
    else await writeFile(bad, text)
    const { code, output, complaints } = await runThrottler(['translate-ratelimit-config', file, bad])
    expect([code, output]).toEqual([2, ''])
    expect(complaints).toMatch(/^throttler translate-ratelimit-config: .*bad\.yaml/)
    expect(complaints).toContain(complaint)
  })

  it('reads no more of a file than a configuration can have', async () => {
    const { code, output, complaints } = await runThrottler(['translate-ratelimit-config', '/dev/zero'])
    expect([code, output]).toEqual([2, ''])
    expect(complaints).toBe('throttler translate-ratelimit-config: /dev/zero: must have at most 16777216 bytes\n')
  })

  it('translates 50,000 descriptors', async () => {
    const large = join(directory, 'large.yaml')
    const descriptors = Array.from(
      { length: 50_000 },
      (_, i) =>
        `  - key: tenant\n    value: t${i}\n    rate_limit:\n      unit: minute\n      requests_per_unit: 100\n`,
    )
    await writeFile(large, `domain: edge\ndescriptors:\n${descriptors.join('')}`)
    const { code, output } = await runThrottler(['translate-ratelimit-config', large])
    const policies = objectsIn(output)
    expect([code, policies.length]).toEqual([0, 50_000])
    expect(policies.at(-1)).toEqual({ key: 'rls;edge;tenant=t49999', limits: [QUOTA], mode: 'enforce' })
  })

  it('needs a file', async () => {
    const { code, complaints } = await runThrottler(['translate-ratelimit-config'])
    expect([code, complaints]).toEqual([2, expect.stringContaining('an argument is missing')])
  })
})
