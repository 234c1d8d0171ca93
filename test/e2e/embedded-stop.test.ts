import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../src/domain/partition.ts'
import { askLock } from '../../src/embedded/directory-lock.ts'
import { openQueue } from '../../src/queues/command-queue.ts'
import { Client } from '../support/client.ts'
import { Service } from '../support/service.ts'

const POLICIES = 40_000
const POLICY = { capacity: 1, refillTokens: 1 }
/** Less than the import takes. */
const SHUTDOWN_TIMEOUT_MS = 1_000

let service: Service
let dataDir: string
let client: Client
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  const env = { DATA_DIR: dataDir, WEB_CONCURRENCY: '1', SHUTDOWN_TIMEOUT_MS: String(SHUTDOWN_TIMEOUT_MS) }
  service = await Service.start({ env })
  client = new Client(service.url)
})
afterEach(async () => {
  await service.stop()
  await rm(dataDir, { recursive: true, force: true })
})

describe('a stop of the embedded store', () => {
  it('applies an accepted import first, for as long as it advances', async () => {
    const lines = Array.from({ length: POLICIES }, (_, i) => JSON.stringify({ key: `user:${i}`, ...POLICY }))
    const response = await fetch(`${service.url}/config/import`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${lines.join('\n')}\n`,
    })
    expect(response.status).toBe(202)
    expect(await service.stop()).toBe(0)
    const journal = await readFile(join(dataDir, 'journal.ndjson'), 'utf8')
    expect(journal.split('\n').filter(line => line.includes('"user:'))).toHaveLength(POLICIES)
  })

  it('exits with 1 and says so if an accepted change cannot be applied', async () => {
    const redis = new Redis((await askLock(dataDir)) ?? '')
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
