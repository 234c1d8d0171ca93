import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { objectsIn, runThrottler, runThrottlerOnTerminal } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithTerminal } from '../support/describe-with-terminal.ts'
import { Service } from '../support/service.ts'

const POLICY = { key: 'user:*', capacity: 2, refillTokens: 1, refillIntervalMs: 60_000 }
const AT = '2026-01-31T14:03:00.000Z'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throttler-simulate-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function fileOf(name: string, lines: readonly (object | string)[]): Promise<string> {
  const path = join(directory, name)
  const texts = lines.map(line => (typeof line === 'string' ? line : JSON.stringify(line)))
  await writeFile(path, texts.map(text => `${text}\n`).join(''))
  return path
}

async function argumentsFor(policies: readonly (object | string)[], traffic: readonly (object | string)[]) {
  const [first, second] = [await fileOf('policies', policies), await fileOf('traffic', traffic)]
  return ['simulate', '--policies', first, '--traffic', second]
}

async function simulate(
  policies: readonly (object | string)[],
  traffic: readonly (object | string)[],
  ...options: readonly string[]
) {
  const { code, output, complaints } = await runThrottler([...(await argumentsFor(policies, traffic)), ...options])
  return { code, result: output === '' ? undefined : objectsIn(output)[0], complaints }
}

const checkAt = (second: number, key = 'user:42', more: object = {}) => ({
  at: AT.replace(':00.000', `:${String(second).padStart(2, '0')}.000`),
  key,
  ...more,
})

describe('throttler simulate', () => {
  it('warns of times that seem to be in seconds', async () => {
    const { code, result, complaints } = await simulate([POLICY], [{ at: 1_769_868_180, key: 'user:42' }])
    expect(code).toBe(0)
    expect(result).toMatchObject({ checks: 1, to: '1970-01-21T11:37:48.180Z' })
    expect(complaints).toMatch(/^warning: the last check is at 1970-01-21T11:37:48.180Z\. If "at" is in seconds /)
  })

  it('counts what each policy decides, and says what capacity would deny nothing', async () => {
    const policies = [POLICY, { key: 'user:7', mode: 'off' }, { key: 'user:8', mode: 'block' }]
    const keys = ['user:42', 'user:42', 'user:42', 'user:42', 'user:43', 'user:7', 'user:8', 'ip:1']
    expect(
      await simulate(
        policies,
        keys.map(key => checkAt(0, key)),
      ),
    ).toEqual({
      code: 0,
      complaints: '',
      result: {
        checks: 8,
        badLines: 0,
        from: AT,
        to: AT,
        outOfOrder: 0,
        unknownPolicies: {},
        skippedConcurrency: [],
        policies: [
          report('default', { checks: 1, allowed: 1, limits: [{ name: 'default', limit: 100, smallestCapacity: 1 }] }),
          report('user:*', {
            checks: 5,
            allowed: 3,
            denied: 2,
            mostDenied: [{ key: 'user:42', denied: 2 }],
            limits: [{ name: 'default', limit: 2, smallestCapacity: 4 }],
          }),
          report('user:7', { checks: 1, allowed: 1 }),
          report('user:8', { checks: 1, denied: 1, mostDenied: [{ key: 'user:8', denied: 1 }] }),
        ],
      },
    })
  })

  it('counts what shadow limits would deny apart', async () => {
    const shadow = { name: 'stricter', capacity: 1, refillTokens: 1, refillIntervalMs: 1_000_000, shadow: true }
    const limits = [{ name: 'enforced', capacity: 3, refillTokens: 1, refillIntervalMs: 1_000_000 }, shadow]
    const keys = ['user:1', 'user:1', 'user:1', 'user:1', 'user:2', 'user:2']
    const traffic = keys.map(key => checkAt(0, key))
    const { result } = await simulate([{ key: 'user:*', limits }], traffic)
    const mostDenied = [
      { key: 'user:1', denied: 1, shadowed: 2 },
      { key: 'user:2', denied: 0, shadowed: 1 },
    ]
    expect(result).toMatchObject({ policies: [{ denied: 1, shadowed: 3, mostDenied }] })
  })

  it('names bad lines and unknown policies, and fails for them only if it is strict', async () => {
    const traffic = [checkAt(0), '{"at":1}', '', checkAt(1, 'user:42', { policy: 'plan:gold' }), '{', checkAt(0)]
    const { code, result, complaints } = await simulate([POLICY], traffic)
    expect({ code, result }).toMatchObject({
      code: 0,
      result: { checks: 2, badLines: 2, outOfOrder: 1, unknownPolicies: { 'plan:gold': 1 } },
    })
    expect(complaints).toMatch(
      /traffic: line 2: "key" must be a string; was missing\n.*traffic: line 5: is not valid JSON/,
    )
    expect((await simulate([POLICY], traffic, '--strict')).code).toBe(1)
    expect((await simulate([POLICY], [checkAt(0)], '--strict')).code).toBe(0)
  })

  it('ends a temporary policy by the time of the traffic, also if lines are out of order', async () => {
    const temporary = {
      ...POLICY,
      mode: 'block',
      expiresAt: '2026-01-31T14:03:10Z',
      then: { ...POLICY, key: undefined },
    }
    const { result } = await simulate(
      [temporary],
      [9, 10, 9, 11].map(second => checkAt(second)),
    )
    expect(result).toMatchObject({
      policies: [
        { policy: 'user:*', checks: 2, denied: 2 },
        { policy: 'user:*', checks: 2, allowed: 2 },
      ],
    })
  })

  it('skips concurrency limits, and names their policies', async () => {
    const limits = [
      { name: 'jobs', kind: 'concurrency', capacity: 1 },
      { ...POLICY, key: undefined, name: 'burst' },
    ]
    const policies = [
      { key: 'user:*', limits },
      { key: 'job:*', limits: limits.slice(0, 1) },
    ]
    const { result } = await simulate(policies, [checkAt(0), checkAt(0), checkAt(0), checkAt(0, 'job:1')])
    expect(result).toMatchObject({
      skippedConcurrency: ['user:*', 'job:*'],
      policies: [
        { policy: 'job:*', checks: 1, allowed: 1, limits: [] },
        { policy: 'user:*', checks: 3, denied: 1, limits: [{ name: 'burst', smallestCapacity: 3 }] },
      ],
    })
  })

  it('refuses policies that cannot be imported, and files that cannot be read', async () => {
    const { code, complaints } = await simulate([POLICY, '{"key":"x","capacity":0,"refillTokens":1}'], [])
    expect({ code, complaints }).toEqual({
      code: 2,
      complaints: expect.stringMatching(/policies: line 2 is invalid: .*capacity/),
    })
    const missing = await runThrottler(['simulate', '--policies', '/nowhere', '--traffic', '-'])
    expect(missing).toMatchObject({ code: 2, complaints: expect.stringContaining('/nowhere cannot be read') })
    expect(await runThrottler(['simulate'])).toMatchObject({
      code: 2,
      complaints: expect.stringContaining('--policies FILE is missing'),
    })
  })

  it('refuses to read policies and traffic from the same standard input', async () => {
    expect(await runThrottler(['simulate', '--policies', '-', '--traffic', '-'])).toEqual({
      code: 2,
      output: '',
      complaints:
        'throttler simulate: --policies and --traffic must not both be "-": standard input can be read only once; "throttler simulate --help" describes the command\n',
    })
  })

  it('decides what a service decided when the traffic was recorded', async () => {
    const service = await Service.start({ kind: 'all', env: { WEB_CONCURRENCY: '1' } })
    const traffic: object[] = []
    let denied = 0
    try {
      const client = new Client(service.url)
      // Nothing refills, so it does not matter how much later than the decision the time is recorded.
      const policy = { capacity: 5, refillTokens: 1, refillIntervalMs: 86_400_000 }
      await client.request('PUT', '/config/user%3A*', policy, { prefer: 'wait=60' })
      for (let i = 0; i < 40; i++) {
        const [key, tokens] = [`user:${i % 4}`, i % 3]
        const { status } = await client.request('POST', '/check', { key, tokens })
        traffic.push({ at: Date.now(), key, tokens })
        if (status === 429) denied++
      }
      const { result } = await simulate([{ key: 'user:*', ...policy }], traffic)
      expect(denied).toBeGreaterThan(0)
      expect(result).toMatchObject({ policies: [{ checks: traffic.length, denied }] })
    } finally {
      await service.stop()
    }
  })

  describeWithTerminal('on a terminal', () => {
    it('prints tables', async () => {
      const { output } = await runThrottlerOnTerminal(
        await argumentsFor([POLICY], [checkAt(0), checkAt(0), checkAt(0)]),
      )
      expect(output.replaceAll('\r', '')).toContain(
        `
policy  checks  allowed  denied  shadowed
user:*  3       2        1       0

limit    capacity  denies nothing from
default  2         3

key      denied
user:42  1
`,
      )
    })
  })
})

function report(policy: string, members: object): object {
  return { policy, checks: 0, allowed: 0, denied: 0, shadowed: 0, mostDenied: [], limits: [], ...members }
}

describe('throttler convert-log', () => {
  const LINE = '203.0.113.7 - alice [31/Jan/2026:15:03:00 +0100] "GET /v1/items?page=2 HTTP/1.1" 200 512 "-" "curl"'

  async function convert(lines: readonly (object | string)[], ...options: readonly string[]) {
    const { code, output, complaints } = await runThrottler(['convert-log', await fileOf('log', lines), ...options])
    return { code, checks: output === '' ? [] : objectsIn(output), complaints }
  }

  it('writes a check for each line of a combined log, and names the others', async () => {
    expect(await convert([LINE, 'hello', LINE.replace('alice', '-')], '--key', 'user:{remote_user}')).toEqual({
      code: 0,
      checks: [{ at: AT, key: 'user:alice', tokens: 1 }],
      complaints: expect.stringMatching(
        /log: line 2: is not a line of the format "combined"\n.*log: line 3: has no "remote_user"/,
      ),
    })
    expect(await convert([LINE])).toMatchObject({ checks: [{ key: 'ip:203.0.113.7' }] })
  })

  it('writes a check for each line of JSON, with the members that are named', async () => {
    const line = { ts: 1_769_868_180.5, user: { id: 42 }, plan: 'gold', cost: '7' }
    const options = [
      '--format',
      'json',
      '--at',
      'ts',
      '--key',
      'user:{user.id}',
      '--policy',
      'plan:{plan}',
      '--tokens',
      'cost',
    ]
    expect(await convert([line], ...options)).toEqual({
      code: 0,
      checks: [{ at: '2026-01-31T14:03:00.500Z', key: 'user:42', tokens: 7, policy: 'plan:gold' }],
      complaints: '',
    })
  })

  it('writes what simulate reads', async () => {
    const { output } = await runThrottler(['convert-log', await fileOf('log', [LINE, LINE, LINE])])
    const { result } = await simulate([{ ...POLICY, key: 'ip:*' }], [output.trimEnd()], '--strict')
    expect(result).toMatchObject({ policies: [{ policy: 'ip:*', checks: 3, denied: 1 }] })
  })

  it('counts a client as the recipes do, whatever user name it sends', async () => {
    const lines = Array.from({ length: 100 }, (_, i) =>
      LINE.replace('203.0.113.7', `2001:db8:1:2::${i.toString(16)}`).replace('alice', 'a b'),
    )
    const { output } = await runThrottler(['convert-log', await fileOf('log', lines)])
    const { result } = await simulate([{ ...POLICY, key: 'ip:2001:db8:1:2::/64', capacity: 10 }], [output.trimEnd()])
    expect(result).toMatchObject({
      badLines: 0,
      policies: [{ policy: 'ip:2001:db8:1:2::/64', checks: 100, denied: 90 }],
    })
  })

  it.each([
    [['--format', 'xml'], '--format must be combined or json (got "xml")'],
    [['--key', 'user:{user}'], '--key names the field "user"; combined has remote_addr'],
    [['--key', 'path:{path'], '--key must have a "}" for each "{" (got "path:{path")'],
    [['--tokens', 'size'], '--tokens names the field "size"'],
    [['--at', 'time'], '--at is for --format json'],
  ])('refuses %j', async (options, why) => {
    expect(await convert([LINE], ...options)).toMatchObject({
      code: 2,
      checks: [],
      complaints: expect.stringContaining(why),
    })
  })

  it('fails for a bad line if it is strict', async () => {
    expect(await convert([LINE, 'hello'], '--strict')).toMatchObject({ code: 1, checks: [{ key: 'ip:203.0.113.7' }] })
  })
})
