import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { configPartition } from '../../src/domain/partition.ts'
import { Client } from '../support/client.ts'
import { Service } from '../support/service.ts'

let dataDir: string
let service: Service
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-repetitions-'))
})
afterEach(async () => {
  await service.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function start(env: Readonly<Record<string, string>> = {}): Promise<Client> {
  service = await Service.start({
    env: { DATA_DIR: dataDir, TMPDIR: dataDir, WEB_CONCURRENCY: '1', SHUTDOWN_TIMEOUT_MS: '500', ...env },
  })
  return new Client(service.url)
}

describe('the embedded store, after a restart', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    '(%s) still knows repetitions, histories and imports from before',
    async signal => {
      const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
      const named = { 'idempotency-key': 'once' }
      const before = await start()
      const first = await before.put('k', policy(1), named)
      await before.put('k', policy(2))
      const lines = Array.from({ length: 500 }, (_, i) => `${JSON.stringify({ key: `i:${i}`, ...policy(i + 1) })}\n`)
      const imported = await before.request('POST', '/config/import', lines.join(''), {
        'content-type': 'application/x-ndjson',
        prefer: 'wait=20',
      })
      expect(imported.body).toMatchObject({ status: 'applied', created: 500 })
      const exported = (await before.get('/config/export')).text
      const history = (await before.get('/config/k/history')).body
      await service.stop(signal)

      const after = await start()
      const repeated = await after.put('k', policy(1), named)
      expect([repeated.status, repeated.body]).toEqual([201, first.body])
      expect((await after.put('k', policy(3), named)).status).toBe(422)
      expect((await after.get('/config/k/history')).body).toEqual(history)
      expect((await after.get('/config/export')).text).toBe(exported)
      expect((await after.get('/config/i:7/history')).body.events).toMatchObject([{ version: 1, type: 'imported' }])
    },
  )

  it("knows repetitions of a key's last change, compacted or not", async () => {
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`).filter(key => configPartition(key) === 0)
    const before = await start({ CONFIG_LOG_KEEP: '1' })
    const ask = (client: Client, key: string) =>
      client.put(key, { capacity: 1, refillTokens: 1 }, { 'idempotency-key': key, 'if-none-match': '*' })
    const first = await Promise.all(keys.map(key => ask(before, key)))
    await service.says(/the log was compacted/)
    await service.stop()

    const after = await start()
    const again = await Promise.all(keys.map(key => ask(after, key)))
    expect(again.map(({ status, body }) => [status, body])).toEqual(first.map(({ body }) => [201, body]))
  })
})
