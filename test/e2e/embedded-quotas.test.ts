import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'

const YEARLY = {
  name: 'yearly',
  kind: 'quota',
  capacity: 1_000,
  period: 'year',
  timeZone: 'UTC',
  anchor: '2020-07-01T00:00',
}
const BURST = { name: 'burst', capacity: 100, refillTokens: 1, refillIntervalMs: 1_000_000 }

let dataDir: string
let service: Service
let client: Client
const start = async () => {
  // A check must not be decided without the store: on a busy machine, or by a second process that has not found the store again.
  service = await Service.start({ env: { DATA_DIR: dataDir, WEB_CONCURRENCY: '1' } })
  client = new Client(service.url)
}
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  await start()
})
afterEach(async () => {
  await service.stop()
  await rm(dataDir, { recursive: true, force: true })
})

/** Checks a descriptor by a limit of 100 a day that comes with the call. */
const askAsEnvoy = (hitsAddend: number) => {
  const descriptor = { entries: [{ key: 'user', value: 'a' }], limit: { requests_per_unit: 100, unit: 'DAY' } }
  return client.request('POST', '/json', { domain: 'edge', descriptors: [descriptor], hitsAddend })
}
/** Resolves once another store is in use. */
const killStore = async () => {
  const [store = 0] = service.pidsOf('throttler store')
  process.kill(store, 'SIGKILL')
  await eventually(async () => {
    const { body } = await client.check('another', 1)
    expect([service.pidsOf('throttler store').includes(store), body.source]).toEqual([false, 'redis'])
  })
}

const path = () => join(dataDir, 'quotas.ndjson')
const remaining = async (key: string) =>
  (await client.check(key, 0)).body.limits.map((limit: { remaining: number }) => limit.remaining)

describe('counts of quotas in the embedded store', () => {
  it('survive an orderly restart, with all that their bucket holds', async () => {
    await client.put('sold:*', { limits: [YEARLY, BURST] })
    await client.check('sold:é', 7)
    await client.check('sold:b', 20)
    await client.check('sold:reset', 20)
    await client.request('DELETE', '/buckets/sold:reset')
    await service.stop()
    await start()
    expect(await remaining('sold:é')).toEqual([993, 93])
    expect(await remaining('sold:b')).toEqual([980, 80])
    expect(await remaining('sold:reset')).toEqual([1_000, 100])
  })

  it('survive a killed store, except those of the last second', async () => {
    await client.put('sold:*', { limits: [YEARLY, BURST] })
    // A store that replaces another is told of quotas too.
    await killStore()
    await client.check('sold:a', 7)
    await eventually(async () => expect(await readFile(path(), 'utf8')).toContain('sold:a'))
    await killStore()
    expect(await remaining('sold:a')).toEqual([993, 93])
    await client.check('sold:a', 3)
    await service.stop()
    await start()
    expect(await remaining('sold:a')).toEqual([990, 90])
  })

  it('survive if the quota came with the call, and are not written for policies without quotas', async () => {
    await client.put('sold:*', { limits: [BURST] })
    await client.check('sold:a', 7)
    await sleep(1_200)
    await expect(readFile(path(), 'utf8')).rejects.toThrow('ENOENT')
    await askAsEnvoy(60)
    await eventually(async () => expect(await readFile(path(), 'utf8')).toContain('rls;edge;user=a'))
    await killStore()
    const { body } = await askAsEnvoy(1)
    expect(body.statuses[0].limitRemaining).toBe(39)
  })

  it('are read without damaged lines, of which the log names the first, and without one that was not written whole', async () => {
    await client.put('sold:*', { limits: [YEARLY, BURST] })
    await client.check('sold:a', 7)
    await service.stop()
    const line = await readFile(path(), 'utf8')
    const damaged = line.replace(/"value":"../, '"value":"zz')
    await writeFile(path(), `${line}${damaged}{"key":"throttler:{0}:so`)
    await start()
    expect(service.output.join('\n')).toMatch(/"line":2,.*quotas\.ndjson is damaged from this line on/)
    await client.check('sold:a', 1)
    await service.stop()
    await writeFile(path(), `${await readFile(path(), 'utf8')}{"key":"throttler:{0}:so`)
    await start()
    expect(await remaining('sold:a')).toEqual([992, 92])
  })

  it('stop the start with one line if they cannot be read', async () => {
    await service.stop()
    await mkdir(path())
    const { code, said } = await failToStart('all', { DATA_DIR: dataDir })
    expect(code).toBe(1)
    expect(said).toContain(`${path()} cannot be used: EISDIR`)
    expect(said).not.toMatch(/^ +at /m)
  })
})
