import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ADMIN, cliPlaces } from '../support/cli-places.ts'
import { Client } from '../support/client.ts'
import { blocksUnder } from '../support/documents.ts'
import { Service } from '../support/service.ts'

const CLI = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url))
const [TRANSLATE = '', IMPORT = ''] = blocksUnder('docs/protocols.md', '### From envoyproxy/ratelimit', 'sh')
  .join('')
  .trim()
  .split('\n')
const POLICY = { capacity: 1, refillTokens: 1 }

let service: Service
let client: Client
let directory: string
beforeAll(async () => {
  service = await Service.start({ env: { ADMIN_TOKENS: `ann:${ADMIN}`, WEB_CONCURRENCY: '1' } })
  client = new Client(service.url, { authorization: `Bearer ${ADMIN}` })
  directory = await mkdtemp(join(tmpdir(), 'throttler-migration-'))
  await mkdir(join(directory, 'config'))
  await writeFile(join(directory, 'throttler'), `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`)
  await chmod(join(directory, 'throttler'), 0o755)
})
afterAll(async () => {
  await service.stop()
  await rm(directory, { recursive: true })
})

const configure = (domain: string, ...descriptors: readonly string[]) =>
  writeFile(
    join(directory, 'config', `${domain}.yaml`),
    [
      `domain: ${domain}\ndescriptors:\n`,
      ...descriptors.map(key => `  - {key: ${key}, rate_limit: {unit: hour, requests_per_unit: 5}}\n`),
    ].join(''),
  )

const keysWith = async (prefix: string): Promise<string[]> =>
  (await client.get(`/config?prefix=${encodeURIComponent(prefix)}`)).body.items.map(({ key }: { key: string }) => key)

describe.each(cliPlaces(() => service))('the migration from envoyproxy/ratelimit, $place', ({ options, variables }) => {
  const shell = (command: string) =>
    promisify(execFile)('sh', ['-c', command], {
      cwd: directory,
      env: { PATH: [directory, process.env['PATH']].join(delimiter), ...variables() },
    })
  const importWith = async (command = IMPORT) => JSON.parse((await shell([command, ...options()].join(' '))).stdout)

  it('imports the translation, and deletes the policies of descriptors that the configuration no longer has', async () => {
    await client.put('user:1', POLICY)
    await configure('edge', 'remote_address', 'path')
    await configure('mongo', 'database')
    await shell(TRANSLATE)
    expect(await importWith()).toMatchObject({ deleted: 0 })
    expect(await keysWith('rls;')).toEqual(['rls;edge;path', 'rls;edge;remote_address', 'rls;mongo;database'])

    await configure('edge', 'path')
    await shell(TRANSLATE)
    expect(await importWith()).toMatchObject({ created: 0, unchanged: 2, deleted: 1 })
    expect(await keysWith('')).toEqual(['rls;edge;path', 'rls;mongo;database', 'user:1'])
  })

  it('can prune one domain', async () => {
    await client.put('rls;edge;path', POLICY)
    await client.put('rls;mongo;left', POLICY)
    await rm(join(directory, 'config/edge.yaml'), { force: true })
    await configure('mongo', 'database')
    await shell(TRANSLATE)
    expect(await importWith(IMPORT.replace('rls;', 'rls;mongo;'))).toMatchObject({ deleted: 1 })
    expect(await keysWith('rls;mongo;')).toEqual(['rls;mongo;database'])
    expect(await keysWith('rls;edge;')).toEqual(['rls;edge;path'])
  })
})
