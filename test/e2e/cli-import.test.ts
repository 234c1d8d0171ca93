import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  type CliResult,
  runThrottler,
  runThrottlerOnTerminal,
  runThrottlerPatiently,
  runThrottlerWith,
} from '../support/cli.ts'
import { ADMIN, cliPlaces } from '../support/cli-places.ts'
import { Client } from '../support/client.ts'
import { describeWithTerminal } from '../support/describe-with-terminal.ts'
import { Service } from '../support/service.ts'

const policy = (capacity: number) => ({ capacity, refillTokens: 1, mode: 'off' })
const shown = (capacity: number) => ({
  limits: [{ name: 'default', capacity, refillTokens: 1, refillIntervalMs: 1000 }],
  mode: 'off',
})

let service: Service
let client: Client
let directory: string
let file: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throttler-cli-import-'))
  file = join(directory, 'policies.ndjson')
  service = await Service.start({ env: { ADMIN_TOKENS: `ann:${ADMIN}` } })
  client = new Client(service.url, { authorization: `Bearer ${ADMIN}` })
})
afterAll(async () => {
  await service.stop()
  await rm(directory, { recursive: true })
})

/** Writes a file with a policy for each key. */
function write(capacities: Readonly<Record<string, number>>, ...further: readonly string[]): Promise<void> {
  const lines = Object.entries(capacities).map(([key, capacity]) => JSON.stringify({ key, ...policy(capacity) }))
  return writeFile(file, [...lines, ...further].map(line => `${line}\n`).join(''))
}

const PLACES = cliPlaces(() => service)

describe.each(PLACES)('throttler import $place', ({ place, actor, options, variables }) => {
  /** Each place has keys of its own. */
  const own = place === 'over HTTP' ? 'http:' : 'stores:'
  const by = place === 'over HTTP' ? [] : ['--actor', actor]

  const run = (...args: readonly string[]): Promise<CliResult> =>
    runThrottlerPatiently(['import', file, ...args, ...options()], variables())

  it('imports, prunes by a prefix, and keeps author and reason', async () => {
    await write({ [`${own}1`]: 7, [`${own}2`]: 7, [`other:${own}`]: 7 })
    const imported = await run('--reason', 'größer', ...by)
    expect([imported.code, imported.complaints, JSON.parse(imported.output)]).toEqual([
      0,
      '',
      {
        commandId: expect.stringMatching(/^import-/),
        status: 'applied',
        ...{ created: 3, changed: 0, unchanged: 0, deleted: 0 },
      },
    ])
    const { events } = (await client.get(`/config/${own}1/history`)).body
    expect(events[0]).toMatchObject({ actor, reason: 'größer' })

    await write({ [`${own}1`]: 7, [`${own}3`]: 7 })
    const pruned = await run('--prune', own)
    expect([pruned.code, pruned.complaints, JSON.parse(pruned.output)]).toEqual([
      0,
      '',
      expect.objectContaining({ created: 1, changed: 0, unchanged: 1, deleted: 1 }),
    ])
  })

  it('compares, with exit code 1 if something would change, and changes nothing', async () => {
    await write({ [`${own}1`]: 7, [`${own}3`]: 7 })
    await run('--prune', `${own}*`)
    await write({ [`${own}1`]: 8, [`${own}2`]: 7 })
    const before = (await client.get('/config/export')).text
    const found = await run('--prune', `${own}*`, '--dry-run')
    expect([found.code, found.complaints, JSON.parse(found.output)]).toEqual([
      1,
      '',
      {
        ...{ created: 1, changed: 1, unchanged: 0, deleted: 1 },
        differences: [
          { key: `${own}1`, type: 'changed', from: shown(7), to: shown(8) },
          { key: `${own}2`, type: 'created', from: null, to: shown(7) },
          { key: `${own}3`, type: 'deleted', from: shown(7), to: null },
        ],
      },
    ])
    expect(JSON.parse((await run('--dry-run')).output)).toMatchObject({ created: 1, changed: 1, deleted: 0 })
    const all = JSON.parse((await run('--prune', '*', '--dry-run')).output)
    expect(all.differences).toContainEqual({ key: `other:${own}`, type: 'deleted', from: shown(7), to: null })
    expect((await client.get('/config/export')).text).toBe(before)

    await run('--prune', own)
    const nothing = await run('--prune', own, '--dry-run')
    expect([nothing.code, JSON.parse(nothing.output)]).toMatchObject([0, { unchanged: 2, differences: [] }])
  })

  it.each([
    [
      'an invalid line',
      () => write({ [`${own}1`]: 9 }, '{"key":"bad"}'),
      /line 2 is invalid, so nothing was imported: .*/,
    ],
    [
      'a line outside of the prefix',
      () => write({ [`${own}1`]: 9, outside: 9 }),
      /line 2 is invalid, .*"outside" does not begin with ".*", the prefix of prune/,
    ],
  ])('refuses %s on standard error: exit code 1, and 2 in a dry run', async (_, writeIt, complaint) => {
    await writeIt()
    const before = (await client.get('/config/export')).text
    const complaints = expect.stringMatching(new RegExp(`^throttler import: ${complaint.source}\n$`))
    expect(await run('--prune', own)).toEqual({ code: 1, output: '', complaints })
    expect(await run('--prune', own, '--dry-run')).toEqual({ code: 2, output: '', complaints })
    expect((await client.get('/config/export')).text).toBe(before)
  })

  it('refuses to prune by an empty file', async () => {
    await write({})
    const complaints = expect.stringContaining('prune is not allowed with an empty file')
    for (const more of [[], ['--dry-run']]) {
      expect(await run('--prune', own, ...more)).toEqual({ code: 2, output: '', complaints })
    }
  })

  it('reads standard input, and reports a file that cannot be read', async () => {
    for (const more of [[], ['--dry-run']]) {
      const args = ['import', '/nonexistent', ...more, ...options()]
      expect(await runThrottler(args, variables())).toEqual({
        code: 2,
        output: '',
        complaints: expect.stringMatching(/^throttler import: \/nonexistent cannot be read: ENOENT.*\n$/),
      })
    }
    await write({ [`${own}1`]: 7 })
    const args = ['import', '-', '--dry-run', ...options()]
    expect(JSON.parse((await runThrottlerWith(`< '${file}'`, args, variables())).output)).toMatchObject({ deleted: 0 })
  })
})

describe('throttler import', () => {
  it.each([
    ['empty', ''],
    ['not a prefix', 'us*er'],
    ['too long', 'x'.repeat(500)],
  ])('refuses a prefix that is %s before it sends anything', async (_, prefix) => {
    await write({ a: 1 })
    const { code, complaints } = await runThrottler(['import', file, '--prune', prefix, '--url', 'http://127.0.0.1:1'])
    expect([code, complaints]).toEqual([2, expect.stringMatching(/^throttler import: --prune [^\n]*\n$/)])
  })
})

describeWithTerminal('throttler import on a terminal', () => {
  it.each(PLACES)('prints counts and differences in words $place', async ({ place, options, variables }) => {
    const prefix = `terminal ${place}:`
    const run = (...args: string[]) => runThrottlerOnTerminal(['import', file, ...args, ...options()], variables())
    await write({ [`${prefix}1`]: 7 })
    expect(await run()).toEqual({ code: 0, output: 'imported: 1 created, 0 changed, 0 unchanged\n' })
    expect(await run('--json')).toEqual({ code: 0, output: expect.stringMatching(/^\{"commandId":"import-.*\}\n$/) })
    await write({ [`${prefix}2`]: 7 })
    expect(await run('--prune', prefix, '--dry-run')).toEqual({
      code: 1,
      output: expect.stringMatching(
        /^\+ terminal .*:2\n {4}\+ limit default: capacity 7, [\s\S]*1 to create, 0 to change, 1 to delete, 0 unchanged\n$/,
      ),
    })
    const output = 'imported: 1 created, 0 changed, 0 unchanged, 1 deleted\n'
    expect(await run('--prune', prefix)).toEqual({ code: 0, output })
  })
})
