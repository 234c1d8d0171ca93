import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { pino } from 'pino'
import type { PolicyEvent } from '../../src/domain/events.ts'
import { CONFIG_PARTITIONS, configPartition } from '../../src/domain/partition.ts'
import { HeldLog } from '../../src/embedded/held-log.ts'
import type { InProcessConnection } from '../../src/embedded/in-process-connection.ts'
import { Journal } from '../../src/embedded/journal.ts'
import { fillFromJournal } from '../../src/embedded/replay.ts'
import { ReplayBatches } from '../../src/embedded/replay-batches.ts'
import { EmbeddedValkey } from '../../src/embedded/valkey.ts'
import { writeCompacted } from '../../src/embedded/write-compacted.ts'
import { CannotStart } from '../../src/processes/supervised-process.ts'
import { ConfigKeys } from '../../src/redis/keys.ts'
import { definitionOf } from '../support/policies.ts'

const KEY_PREFIX = 'throttler'
const PARTITIONS = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => n)
const KEYS = Array.from({ length: 50 }, (_, i) => `key-${i}`)
const VERSIONS = 120
/** Each event takes about 1 KB, so that all of them do not fit. */
const ROOM_BYTES = 5 * 2 ** 20
const LOGGER = pino({ level: 'silent' })

let directory: string
let journal: Journal
const stores: EmbeddedValkey[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-replay-'))
  journal = new Journal({
    path: join(directory, 'journal.ndjson'),
    identities: ['a', 'b', 'c', 'd'],
    directory: { isHeld: true, requireHeld: () => undefined },
    logger: LOGGER,
  })
})
afterEach(async () => {
  journal.close()
  for (const store of stores.splice(0)) await store.stop()
  rmSync(directory, { recursive: true })
})

const versionsOf = (version: number) => KEYS.map(key => JSON.stringify(eventOf(key, version)))

function eventOf(key: string, version: number): PolicyEvent {
  const at = '2025-10-09T08:00:00.000Z'
  const policy = definitionOf({ description: `${version} ${'ü'.repeat(400)}` })
  return { schema: 1, key, version, type: 'changed', at, actor: 'ops', commandId: 'c', policy }
}

/** The last positions of these versions of all keys. */
const positionsAfter = (versions: number) =>
  PARTITIONS.map(partition => versions * KEYS.filter(key => configPartition(key) === partition).length)

/** Writes the events of all versions, and how far a store compacted its logs that kept `kept` versions. */
function writeJournal(kept: number): void {
  for (let version = 1; version <= VERSIONS; version++) {
    const compactedTo = positionsAfter(Math.max(version - 1 - kept, 0))
    journal.append(versionsOf(version), compactedTo)
  }
}

/** Fills a store from the journal. */
async function fill(options: { roomBytes?: number; keep?: number } = {}): Promise<InProcessConnection> {
  const valkey = new EmbeddedValkey({ path: join(directory, 'socket') }, 'a-password')
  await valkey.start()
  stores.push(valkey)
  const store = valkey.connectInProcess()
  if (options.roomBytes !== undefined) store.call('CONFIG', 'SET', 'maxmemory', usedBytes(store) + options.roomBytes)
  const source = { keyPrefix: KEY_PREFIX, retentionMs: 0, ...journal.file }
  const { entryCount } = journal
  await fillFromJournal(store, source, { entryCount, keep: options.keep, batchesInThread, logger: LOGGER })
  return store
}

async function* batchesInThread(source: ConstructorParameters<typeof ReplayBatches>[0]) {
  yield* new ReplayBatches(source)
}

const usedBytes = (store: InProcessConnection) =>
  Number(/^used_memory:(\d+)/m.exec(String(store.call('INFO', 'memory')))?.[1])

function contentOf(store: InProcessConnection) {
  return PARTITIONS.map(partition => {
    const keys = new ConfigKeys(KEY_PREFIX, partition)
    const { compacted, ...log } = new HeldLog(store, keys).readAll()
    const own = KEYS.filter(key => configPartition(key) === partition)
    const versions = own.map(key => store.call('ZRANGE', keys.versions(key), 0, -1, 'WITHSCORES'))
    return { ...log, compacted: [...compacted].sort(), versions, policies: store.call('HLEN', keys.policies) }
  })
}

it('a start needs no more memory than the store whose logs were compacted, and holds the same', async () => {
  writeJournal(5)
  const store = await fill({ roomBytes: ROOM_BYTES })
  const compactedTo = contentOf(store).map(log => log.compactedTo)
  expect(Math.min(...compactedTo)).toBeGreaterThan(0)
  await journal.compact({ ...journal.header, compactedTo }, async job => writeCompacted(job))
  expect(contentOf(store)).toEqual(contentOf(await fill()))
})

it('a start compacts nothing while there is memory', async () => {
  writeJournal(5)
  expect(contentOf(await fill()).map(({ compactedTo }) => compactedTo)).toEqual([0, 0, 0, 0])
})

it('a start keeps the events that the settings keep, if all do not fit', async () => {
  writeJournal(VERSIONS)
  const store = await fill({ roomBytes: ROOM_BYTES, keep: 100 })
  for (const [partition, { compactedTo, end }] of contentOf(store).entries()) {
    expect(end.position).toBe(positionsAfter(VERSIONS)[partition])
    expect(compactedTo).toBeLessThanOrEqual(end.position - 100)
  }
})

it('a start whose events do not fit says so', async () => {
  writeJournal(VERSIONS)
  const filling = fill({ roomBytes: ROOM_BYTES })
  await expect(filling).rejects.toThrow(CannotStart)
  await expect(filling).rejects.toThrow(
    /journal\.ndjson does not fit into the memory of the embedded store, which is full after \d+ of 6000 events; set CONFIG_LOG_KEEP /,
  )
})
