import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { CONFIG_PARTITIONS, configPartition } from '../../src/domain/partition.ts'
import { openQueue } from '../../src/queues/command-queue.ts'
import { Client } from '../support/client.ts'
import { connectToStoreOf } from '../support/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'

const POLICIES = 16_000
const POLICY = { capacity: 1, refillTokens: 1 }
/** Less than the import takes. */
const SHUTDOWN_TIMEOUT_MS = 400
/** Less than a thread takes to start and to compact the journal. */
const MIN_SHUTDOWN_TIMEOUT_MS = 100

const WAITING = { headers: { prefer: 'wait=60' } }

let service: Service
let dataDir: string
let client: Client
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  await start()
})
afterEach(async () => {
  await service.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
  const common = { DATA_DIR: dataDir, WEB_CONCURRENCY: '1', SHUTDOWN_TIMEOUT_MS: String(SHUTDOWN_TIMEOUT_MS) }
  service = await Service.start({ env: { ...common, ...env } })
  client = new Client(service.url)
}

function linesOf(pattern: RegExp): string[] {
  return service.output.filter(line => pattern.test(line))
}

/** Imports policies of `user:0`, `user:1` …; some of the last may differ. Resolves with the status. */
async function importPolicies(
  count: number,
  policy: object,
  { headers = {}, last }: { headers?: Readonly<Record<string, string>>; last?: { count: number; policy: object } } = {},
) {
  const policyOf = (i: number) => (last !== undefined && i >= count - last.count ? last.policy : policy)
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify({ key: `user:${i}`, ...policyOf(i) }))
  const { status } = await fetch(`${service.url}/config/import`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', ...headers },
    body: `${lines.join('\n')}\n`,
  })
  return status
}

describe('a stop of the embedded store', () => {
  it('applies an accepted import first, for as long as it advances', async () => {
    expect(await importPolicies(POLICIES, POLICY)).toBe(202)
    expect(await service.stop()).toBe(0)
    const journal = await readFile(join(dataDir, 'journal.ndjson'), 'utf8')
    expect(journal.split('\n').filter(line => line.includes('"user:'))).toHaveLength(POLICIES)
  })

  it('applies an import whose lines are mostly unchanged, however short its time for requests is', async () => {
    await service.stop()
    await start({ SHUTDOWN_TIMEOUT_MS: String(MIN_SHUTDOWN_TIMEOUT_MS) })
    expect(await importPolicies(POLICIES, POLICY, WAITING)).toBe(200)
    const last = { count: 20, policy: { ...POLICY, capacity: 77 } }
    expect(await importPolicies(POLICIES, POLICY, { last })).toBe(202)
    expect(await service.stop()).toBe(0)
    const journal = await readFile(join(dataDir, 'journal.ndjson'), 'utf8')
    expect(journal.split('\n').filter(line => line.includes('"capacity":77,'))).toHaveLength(20)
  })

  it('gives up compacting the journal if there is little time, and loses nothing', async () => {
    await service.stop()
    await start({ SHUTDOWN_TIMEOUT_MS: String(MIN_SHUTDOWN_TIMEOUT_MS), CONFIG_LOG_KEEP: '1' })
    // Almost as long as a journal that is compacted before a stop can be.
    const policy = { ...POLICY, description: 'x'.repeat(200) }
    for (const capacity of [1, 2, 3, 4]) {
      expect(await importPolicies(2_400, { ...policy, capacity }, WAITING)).toBe(200)
    }
    await eventually(() => expect(linesOf(/the log was compacted/).length).toBeGreaterThanOrEqual(CONFIG_PARTITIONS))
    expect(await service.stop()).toBe(0)
    expect(linesOf(/"role":"store".*(not stopped|the stop failed)/)).toEqual([])
    expect(await readdir(dataDir)).not.toContain('journal.ndjson.compacted')
    const journal = await readFile(join(dataDir, 'journal.ndjson'), 'utf8')
    expect(journal.split('\n').filter(line => line.includes('"capacity":4,'))).toHaveLength(2_400)
  })

  it('exits with 1 and says so if an accepted change cannot be applied', async () => {
    const redis = await connectToStoreOf(dataDir)
    const queue = openQueue(redis, 'throttler', configPartition('kept'))
    await queue.pause()
    await queue.close()
    redis.disconnect()
    expect((await client.request('PUT', '/config/kept', POLICY)).status).toBe(202)
    expect(await service.stop()).toBe(1)
    expect(service.output.join('\n')).toContain(
      '1 queued changes could not be applied, and are lost with the embedded store',
    )
  })
})
