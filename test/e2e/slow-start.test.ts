import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { definitionOf } from '../support/policies.ts'
import { Service } from '../support/service.ts'

const EVENTS = 60_000

it('says nothing of a store that is away while the embedded one fills itself', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'throttler-slow-'))
  const header = { journal: 2, identities: ['a', 'b', 'c', 'd'], compactedTo: [0, 0, 0, 0] }
  const common = { schema: 1, key: 'k', type: 'changed', at: '2026-01-31T12:00:00.000Z', actor: 'ops', commandId: 'c' }
  const events = Array.from({ length: EVENTS }, (_, i) => ({ ...common, version: i + 1, policy: definitionOf() }))
  await writeFile(
    join(dataDir, 'journal.ndjson'),
    [header, ...events].map(line => `${JSON.stringify(line)}\n`).join(''),
  )
  const service = await Service.start({ env: { DATA_DIR: dataDir } })
  try {
    expect((await new Client(service.url).get('/config/k')).body.version).toBe(EVENTS)
    expect(service.output.filter(line => line.includes('is lost'))).toEqual([])
  } finally {
    await service.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}, 60_000)
