import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { Service } from '../support/service.ts'

/** The service starts three times, which takes longer on a busy machine. */
const RESTARTS_MS = 90_000

const JOURNAL_1 = new URL('../fixtures/journal-1.ndjson', import.meta.url)

let dataDir: string
let service: Service | undefined
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
})
afterEach(async () => {
  await service?.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function start(variables: Record<string, string> = {}): Promise<Client> {
  service = await Service.start({ env: { DATA_DIR: dataDir, ...variables } })
  return new Client(service.url)
}

describe('the embedded store', () => {
  it('starts from a journal of the first release', async () => {
    await copyFile(JOURNAL_1, join(dataDir, 'journal.ndjson'))
    const client = await start()
    expect((await client.get('/config')).body.items).toEqual([
      {
        key: 'user:*',
        version: 2,
        limits: [
          { name: 'burst', capacity: 20, refillTokens: 10, refillIntervalMs: 1000 },
          { name: 'daily', capacity: 5000, refillTokens: 5000, refillIntervalMs: 86_400_000 },
        ],
        mode: 'shadow',
        onStoreFailure: 'deny',
        description: 'sold in plan B',
        updatedAt: '2025-10-09T08:00:01.000Z',
        updatedBy: 'ops',
      },
    ])
    expect((await client.check('user:1', 0)).body).toMatchObject({ policy: 'user:*', policyVersion: 2, limit: 20 })
    expect((await client.put('search', { capacity: 1, refillTokens: 1 })).body.version).toBe(3)
    expect((await runThrottler(['verify'], { DATA_DIR: dataDir })).code).toBe(0)
  })

  it(
    'keeps a compacted log over restarts, and continues its versions',
    async () => {
      const before = await start()
      for (const capacity of [1, 2, 3, 4, 5]) await before.put('changed', { capacity, refillTokens: 1 })
      await before.put('gone', { capacity: 1, refillTokens: 1 })
      await before.delete('gone')
      expect(await runThrottler(['compact', '--keep', '1'], { DATA_DIR: dataDir })).toMatchObject({ code: 0 })
      const policies = (await before.get('/config')).body
      expect(await service?.stop()).toBe(0)
      expect(await readFile(join(dataDir, 'journal.ndjson'), 'utf8')).not.toContain('"capacity":2')

      for (let restart = 1; restart <= 2; restart++) {
        const after = await start()
        expect((await after.get('/config')).body).toEqual(policies)
        expect((await after.get('/config/changed?version=3')).body.code).toBe('version-not-found')
        expect((await after.put('gone', { capacity: 1, refillTokens: 1 })).body.version).toBe(1 + 2 * restart)
        await after.delete('gone')
        expect((await runThrottler(['verify'], { DATA_DIR: dataDir })).code).toBe(0)
        await service?.stop()
      }
    },
    RESTARTS_MS,
  )
})
