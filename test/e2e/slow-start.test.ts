import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { writeLongJournal } from '../support/long-journal.ts'
import { Service } from '../support/service.ts'

const EVENTS = 60_000

it('the service logs no lost connection while the embedded store replays its journal', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'throttler-slow-'))
  await writeLongJournal(dataDir, EVENTS)
  const service = await Service.start({ env: { DATA_DIR: dataDir } })
  try {
    expect((await new Client(service.url).get('/config/k')).body.version).toBe(EVENTS)
    expect(service.output.filter(line => line.includes('is lost'))).toEqual([])
  } finally {
    await service.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
})
