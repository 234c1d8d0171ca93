import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { objectsIn } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { recipe } from '../support/recipe.ts'
import { Service } from '../support/service.ts'

const TOKEN = 'pipeline-token-0123456789'
const CLI = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url))

describe('the recipe for a pipeline', () => {
  let service: Service
  let client: Client
  let directory: string

  beforeAll(async () => {
    service = await Service.start({ env: { ADMIN_TOKENS: `pipeline:${TOKEN}`, WEB_CONCURRENCY: '1' } })
    client = new Client(service.url, { authorization: `Bearer ${TOKEN}` })
    directory = await mkdtemp(join(tmpdir(), 'throttler-pipeline-'))
    await writeFile(
      join(directory, 'limits.sh'),
      recipe('pipeline', 'sh', { 'https://throttler.example.com': service.url }),
    )
    await writeFile(join(directory, 'throttler'), `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`)
    await chmod(join(directory, 'throttler'), 0o755)
  })
  afterAll(async () => {
    await service.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const commit = (limits: string) => writeFile(join(directory, 'limits.ndjson'), limits)

  async function run(step: string): Promise<{ code: number | null; output: string; complaints: string }> {
    const path = [directory, process.env['PATH']].join(delimiter)
    const env = { PATH: path, THROTTLER_TOKEN: TOKEN, REVISION: 'commit 4f09fe0' }
    const child = spawn('sh', ['limits.sh', step], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const [output, complaints] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { code: child.exitCode, output, complaints }
  }

  it('compares the file with the policies, applies it, and deletes what is no longer in it', async () => {
    await client.put('search:old', { capacity: 1, refillTokens: 1 })
    await client.put('other', { capacity: 1, refillTokens: 1 })
    await commit(recipe('pipeline', 'json', {}))
    const checked = await run('check')
    expect([checked.code, checked.complaints]).toEqual([0, ''])
    const found = JSON.parse(await readFile(join(directory, 'difference.json'), 'utf8'))
    expect(found).toMatchObject({ created: 2, changed: 0, unchanged: 0, deleted: 1 })
    expect(objectsIn(checked.output)).toEqual([{ good: 2, bad: 0 }, found])
    expect((await client.get('/config/search:old')).status).toBe(200)

    const applied = await run('apply')
    expect([applied.code, objectsIn(applied.output)]).toMatchObject([
      0,
      [{ status: 'applied', created: 2, deleted: 1 }],
    ])
    const { items } = (await client.get('/config')).body
    expect(items.map(({ key }: { key: string }) => key)).toEqual(['other', 'search:*', 'search:user:42'])
    const { events } = (await client.get('/config/search:old/history')).body
    expect(events[1]).toMatchObject({ type: 'deleted', actor: 'pipeline', reason: 'commit 4f09fe0' })
    expect(objectsIn((await run('check')).output)[1]).toMatchObject({ unchanged: 2, differences: [] })
  })

  it.each([
    ['an invalid line', '{"key": "search:*", "capacity": 0, "refillTokens": 10}\n'],
    ['a line outside of the prefix', '{"key": "other", "capacity": 1, "refillTokens": 10}\n'],
    ['an empty file', ''],
  ])('fails for %s, and changes nothing', async (_, limits) => {
    const before = (await client.get('/config/export')).text
    await commit(limits)
    for (const step of ['check', 'apply']) expect((await run(step)).code).not.toBe(0)
    expect((await client.get('/config/export')).text).toBe(before)
  })

  it('refuses an unknown step', async () => {
    expect(await run('deploy')).toMatchObject({ code: 2, complaints: 'usage: limits.sh check|apply\n' })
  })
})
