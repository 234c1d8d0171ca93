import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { AS_OPS, historyOf, RECORDED_ENV, recordedJournal, recordedJournalAnswers } from '../support/release-data.ts'
import { Service } from '../support/service.ts'

const { list, histories } = recordedJournalAnswers()

describe('the journal that release 0.1.0 wrote', () => {
  let dataDir: string
  let service: Service
  let client: Client

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
    await writeFile(join(dataDir, 'journal.ndjson'), recordedJournal())
    service = await Service.start({ env: { ...RECORDED_ENV, DATA_DIR: dataDir } })
    client = new Client(service.url, AS_OPS)
  })
  afterAll(async () => {
    await service?.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  it('has the same policies and histories', async () => {
    const { items } = (await client.get('/config?limit=1000')).body
    expect(items).toEqual(list.map(item => ({ ...item, updatedAt: expect.any(String) })))
    for (const [key, events] of Object.entries(histories))
      expect(await historyOf(client, key)).toEqual(events.map(event => ({ ...event, at: expect.any(String) })))
  })

  it.each([
    ['compacted', 'user:*', 3, 'before-compaction'],
    ['not compacted', 'changed', 6, 'deploy-2'],
  ])('knows the Idempotency-Key of a change that was %s', async (_, key, capacity, idempotencyKey) => {
    const put = (capacity: number) =>
      client.put(key, { capacity, refillTokens: 1 }, { 'idempotency-key': idempotencyKey })
    const before = await historyOf(client, key)
    expect((await put(capacity)).status).toBeLessThan(300)
    expect((await put(capacity + 1)).body.code).toBe('idempotency-key-reused')
    expect(await historyOf(client, key)).toEqual(before)
  })

  it('continues its versions, and can be verified', async () => {
    expect((await client.put('gone', { capacity: 1, refillTokens: 1 })).body.version).toBe(3)
    expect((await client.put('changed', { capacity: 9, refillTokens: 1 })).body.version).toBe(9)
    expect((await runThrottler(['verify'], { DATA_DIR: dataDir })).code).toBe(0)
  })
})
