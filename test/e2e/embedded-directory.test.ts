import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ConnectionName } from '../../src/redis/connection/connection-names.ts'
import { Client } from '../support/client.ts'
import { EmbeddedStore } from '../support/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'
import { StoreChanges } from '../support/store-changes.ts'

const THREE_A_MINUTE = { capacity: 3, refillTokens: 1, refillIntervalMs: 60_000 }

let parent: string
let dataDir: string
const services: Service[] = []
let second: EmbeddedStore | undefined
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'throttler-directory-'))
  dataDir = join(parent, 'data')
})
afterEach(async () => {
  await Promise.all(services.splice(0).map(service => service.stop()))
  await second?.kill()
  second = undefined
  rmSync(parent, { recursive: true })
})

async function start(): Promise<{ service: Service; client: Client }> {
  const service = await Service.start({ env: { DATA_DIR: dataDir, WEB_CONCURRENCY: '1' } })
  services.push(service)
  return { service, client: new Client(service.url) }
}

/** The names of the files in the directory, and its journal. */
const content = () => ({ names: readdirSync(dataDir).sort(), journal: journal() })
const journal = () => readFileSync(join(dataDir, 'journal.ndjson'), 'utf8')

describe('a data directory that is removed while the service runs', () => {
  it('is created again if no other process holds it', async () => {
    const { service, client } = await start()
    await client.put('limited', THREE_A_MINUTE)
    await client.check('limited')
    const recovered = service.says(/the journal can be written again: changes are accepted/)
    rmSync(dataDir, { recursive: true })
    expect((await client.check('limited')).body).toMatchObject({ remaining: 1, source: 'redis' })
    await recovered
    expect(journal()).toContain('"key":"limited"')
    await eventually(async () => expect((await client.put('other', THREE_A_MINUTE)).status).toBeLessThan(202))
    await expect(start()).rejects.toThrow(/DATA_DIR was .*, which another process uses/)
  })

  it('is left to a second process that holds it, and the first refuses changes', async () => {
    const { service, client } = await start()
    await client.put('first', THREE_A_MINUTE)
    await client.check('first')
    const [store = 0] = service.pidsOf('throttler store')
    // Otherwise the first process creates the directory again before the second can.
    process.kill(store, 'SIGSTOP')
    rmSync(dataDir, { recursive: true })
    second = await EmbeddedStore.start({ dataDir })
    const redis = second.connect({ connectionName: ConnectionName.worker })
    await new StoreChanges(redis).change('second')
    redis.disconnect()
    const before = content()
    const inUse = service.says(/DATA_DIR was .*, which another process uses.*changes are refused/)
    process.kill(store, 'SIGCONT')

    await inUse
    await eventually(async () => {
      const { status, body } = await client.put('first', { ...THREE_A_MINUTE, capacity: 5 }, { prefer: 'wait=1' })
      expect([status, body.code]).toEqual([503, 'config-store-unavailable'])
      expect((await client.get('/health')).body).toMatchObject({ store: 'up', configStore: 'down' })
    })
    expect((await client.check('first')).body).toMatchObject({ remaining: 1, source: 'redis', policyVersion: 1 })
    expect(content()).toEqual(before)

    const isOfAnother = service.says(/journal.ndjson was changed by another process; restart the service to read it/)
    await second.stop()
    await isOfAnother
    // A change that was answered with 503 may be in the queue, which a stop then reports as lost.
    expect([0, 1]).toContain(await service.stop())
    expect(journal()).toContain('"key":"second"')
    expect(journal()).not.toContain('"key":"first"')
  })
})
