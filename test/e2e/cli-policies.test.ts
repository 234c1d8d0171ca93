import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type CliResult, runThrottler, runThrottlerOnTerminal, runThrottlerPatiently } from '../support/cli.ts'
import { ADMIN, cliPlaces } from '../support/cli-places.ts'
import { describeWithTerminal } from '../support/describe-with-terminal.ts'
import { Service } from '../support/service.ts'

const limit = (capacity: number, refillIntervalMs = 3_600_000) => ({ capacity, refillTokens: 1, refillIntervalMs })
const stored = (capacity: number, refillIntervalMs = 3_600_000) => ({
  limits: [{ name: 'default', ...limit(capacity, refillIntervalMs) }],
  mode: 'enforce',
})

let service: Service
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throttler-cli-'))
  const tokens = { ADMIN_TOKENS: `ann:${ADMIN}`, CHECK_TOKENS: 'shop:check-token-0123456789' }
  // With one process, a change is obeyed as soon as it is reported as applied.
  service = await Service.start({ env: { ...tokens, WEB_CONCURRENCY: '1' } })
})
afterAll(async () => {
  await service.stop()
  await rm(directory, { recursive: true })
})

const PLACES = cliPlaces(() => service)

describe.each(PLACES)('throttler $place', ({ place, actor, options, variables }) => {
  /** Each place has keys of its own. */
  const own = (key: string) => `${key}:${place}`

  async function run(command: string, ...args: readonly string[]): Promise<CliResult> {
    const result = await runThrottlerPatiently([command, ...args, ...options()], variables())
    expect(result.output + result.complaints).not.toContain(ADMIN)
    return result
  }

  /** The change is recorded under this name. */
  const by = () => (place === 'over HTTP' ? [] : ['--actor', actor])

  const json = ({ code, output, complaints }: CliResult) => ({
    code,
    complaints,
    body: output === '' ? '' : JSON.parse(output),
  })

  it('set stores a policy, get prints it, and history, rollback and delete continue from there', async () => {
    const key = own('user:/é')
    expect(json(await run('set', key, JSON.stringify(limit(3)), '--reason', 'größer', ...by()))).toEqual({
      code: 0,
      complaints: '',
      body: expect.objectContaining({ key, version: 1, ...stored(3), updatedBy: actor }),
    })
    const file = join(directory, 'policy.json')
    await writeFile(file, JSON.stringify({ ...limit(4), description: 'ü' }))
    expect(json(await run('set', key, file, '--if-version', '1'))).toMatchObject({ code: 0, body: { version: 2 } })
    expect(json(await run('get', key))).toMatchObject({ code: 0, body: { version: 2, ...stored(4), description: 'ü' } })
    expect(json(await run('rollback', key, '1'))).toMatchObject({ code: 0, body: { version: 3, ...stored(3) } })
    expect(json(await run('delete', key, '--if-version', '3'))).toEqual({
      code: 0,
      complaints: '',
      body: { key, status: 'deleted' },
    })
    const history = await run('history', key)
    const events = history.output
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(history.code).toBe(0)
    expect(events).toMatchObject([
      { version: 1, type: 'created', actor, reason: 'größer', policy: stored(3) },
      { version: 2, type: 'changed', policy: { ...stored(4), description: 'ü' } },
      { version: 3, type: 'rolled-back', policy: stored(3) },
      { version: 4, type: 'deleted', policy: null },
    ])
  })

  it('set --dry-run prints what would change, and changes nothing', async () => {
    const key = own('dry')
    const dryRun = (capacity: number) => run('set', key, JSON.stringify(limit(capacity)), '--dry-run')
    expect(json(await dryRun(1))).toMatchObject({ code: 1, body: { dryRun: true, from: null, to: stored(1) } })
    expect(await run('get', key)).toMatchObject({ code: 1, output: '' })
    await run('set', key, JSON.stringify(limit(1)))
    expect(json(await dryRun(1))).toMatchObject({ code: 0, body: { from: stored(1), to: stored(1) } })
    expect(json(await dryRun(2))).toMatchObject({ code: 1, body: { from: stored(1), to: stored(2) } })
  })

  it('set stores a temporary policy, with what follows it', async () => {
    const key = own('temporary')
    await run('set', key, JSON.stringify(limit(1)))
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    expect(json(await run('set', key, JSON.stringify({ ...limit(9), expiresAt })))).toMatchObject({
      code: 0,
      body: { version: 2, ...stored(9), expiresAt, then: stored(1) },
    })
  })

  it('check spends and denies like the service, and reset fills the bucket', async () => {
    const key = own('user:1')
    await run('set', `${own('user')}*`, JSON.stringify(limit(1)))
    await run('set', `user:1*`, JSON.stringify(limit(3)))
    await run('set', own('plan:gold'), JSON.stringify(limit(5)))
    expect(json(await run('check', key, '--tokens', '2'))).toMatchObject({
      code: 0,
      body: { allowed: true, key, policy: 'user:1*', limit: 3, remaining: 1, source: 'redis' },
    })
    expect(json(await run('check', key, '--tokens', '2'))).toMatchObject({
      code: 1,
      complaints: '',
      body: {
        allowed: false,
        remaining: 1,
        'violated-policies': ['default'],
        code: 'quota-exceeded',
        detail: '1 of 3 tokens left; 1 more every 3600000 ms',
      },
    })
    expect(json(await run('check', key, '--policy', own('plan:gold'), '--tokens', '0'))).toMatchObject({
      code: 0,
      body: { policy: own('plan:gold'), limit: 5, remaining: 3 },
    })
    expect(json(await run('reset', key))).toEqual({ code: 0, complaints: '', body: { key, status: 'reset' } })
    expect(json(await run('check', key, '--tokens', '3'))).toMatchObject({ code: 0, body: { remaining: 0 } })
    await run('set', key, '{"mode": "block"}')
    expect(json(await run('check', key))).toMatchObject({ code: 1, body: { allowed: false, code: 'blocked' } })
  })

  it.each([
    ['get of a key without a policy', ['get', 'none'], /^throttler get: the key "none" has no policy\n$/],
    ['history of a key that never had one', ['history', 'none'], /the key "none" never had a policy\n$/],
    ['delete of a key without a policy', ['delete', 'none'], /the key "none" has no policy to delete\n$/],
    ['rollback to an unknown version', ['rollback', 'none', '7'], /the key "none" has no version 7\n$/],
    [
      'a wrong version',
      ['set', 'none', '{"mode":"off"}', '--if-version', '3'],
      /the key has no policy; If-Match asks for one\n$/,
    ],
  ])('%s is a negative result: exit code 1, and one line', async (_, [command = '', ...args], complaint) => {
    expect(await run(command, ...args)).toEqual({ code: 1, output: '', complaints: expect.stringMatching(complaint) })
  })

  it.each([
    [
      'a policy that is not allowed',
      ['set', 'a', '{"capacity":0,"refillTokens":1}'],
      /\/capacity: must be an integer from 1 to/,
    ],
    [
      'an end in the past',
      ['set', 'a', '{"mode":"off","expiresAt":"2020-01-01T00:00:00Z"}'],
      /\/expiresAt: must be in the future/,
    ],
    ['an unknown policy', ['check', 'a', '--policy', 'none'], /names the policy "none", but none is stored/],
    ['more tokens than a limit holds', ['check', 'a', '--tokens', '1000'], /never holds more than 100/],
  ])('%s is refused with exit code 2, in one line', async (_, [command = '', ...args], complaint) =>
    expectRefused(await run(command, ...args), complaint),
  )
})

describe('throttler', () => {
  it.each([
    ['a policy that is not JSON', ['set', 'a', '{"capacity":'], /JSON/],
    ['a file that does not exist', ['set', 'a', '/nonexistent'], /\/nonexistent cannot be read: ENOENT/],
    [
      'too many tokens',
      ['check', 'a', '--tokens', '1000000001'],
      /--tokens must be an integer between 0 and 1000000000/,
    ],
    ['a reserved key', ['get', 'default'], /"default" is reserved/],
    ['an empty key', ['reset', ''], /the key is empty/],
    ['a version that is none', ['rollback', 'a', '0'], /VERSION must be an integer between 1 and/],
    ['a missing argument', ['rollback', 'a'], /an argument is missing/],
    ['an unknown option', ['get', 'a', '--token', 'x'], /Unknown option '--token'/],
  ])('%s is refused with exit code 2, in one line, whatever the place', async (_, args, complaint) =>
    expectRefused(await runThrottler(args, { DATA_DIR: service.dataDir }), complaint),
  )
})

function expectRefused({ code, output, complaints }: CliResult, complaint: RegExp): void {
  expect([code, output]).toEqual([2, ''])
  expect(complaints).toMatch(complaint)
  expect(complaints).toMatch(/^throttler [a-z]+: .*\n$/)
}

describeWithTerminal('throttler on a terminal', () => {
  it.each(PLACES)('prints tables $place, and JSON with --json', async ({ place, options, variables }) => {
    const key = `terminal:${place}`
    const run = (...args: string[]) => runThrottlerOnTerminal([...args, ...options()], variables())
    expect(await run('set', key, JSON.stringify(limit(2)))).toEqual({
      code: 0,
      output: expect.stringMatching(
        /^key {6}terminal:.*\nversion {2}1\nupdated {2}.*\nmode {5}enforce\n\nname {5}capacity {2}refillTokens {2}refillIntervalMs\ndefault {2}2 /,
      ),
    })
    expect(await run('check', key, '--tokens', '2')).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^result {6}allowed\n[\s\S]*remaining {3}0 of 2\n/),
    })
    expect(await run('check', key)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^result {7}denied: 0 of 2/),
    })
    expect(await run('history', key)).toMatchObject({
      output: expect.stringMatching(/^version {2}type .*\n1 {8}created /),
    })
    expect(await run('get', key, '--json')).toMatchObject({
      output: expect.stringMatching(/^\{"key":"terminal:.*\}\n$/),
    })
    expect(await run('reset', key)).toEqual({ code: 0, output: `reset "${key}"\n` })
    expect(await run('delete', key)).toEqual({ code: 0, output: `deleted "${key}"\n` })
  })
})
