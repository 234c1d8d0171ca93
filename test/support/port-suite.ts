/** The promises of the ports of the change flow. Every adapter must pass this suite. */
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { CommandApplier } from '../../src/config-change/apply/command-applier.ts'
import { EndRecorder } from '../../src/config-change/apply/end-recorder.ts'
import { DamagedRecord } from '../../src/config-change/damaged-store.ts'
import { type Announcement, type Announcements, type EventLog, LogReplaced } from '../../src/config-change/log-ports.ts'
import type {
  CommandQueue,
  CommandStore,
  EndReader,
  IdempotencyStore,
  ImportStaging,
  KeyChange,
  KeyRange,
  Lease,
  PolicyReader,
  ResultReader,
  StateReader,
} from '../../src/config-change/ports.ts'
import { type CommandId, commandId, importId, partIds, partitionOf } from '../../src/domain/command-id.ts'
import type { ExpirePolicy, PutPolicy, QueuedCommand } from '../../src/domain/commands.ts'
import { evolve, initialState } from '../../src/domain/decider.ts'
import type { PolicyEvent } from '../../src/domain/events.ts'
import type { AppliedCommand, FailedCommand } from '../../src/domain/outcome.ts'
import { CONFIG_PARTITIONS, configPartition } from '../../src/domain/partition.ts'
import { recordOf } from '../../src/domain/policy-record.ts'
import type { TemporaryPolicy } from '../../src/domain/temporary-policy.ts'
import { eventually } from './eventually.ts'
import { definitionOf } from './policies.ts'

export interface PortAdapters {
  readonly reader: PolicyReader & StateReader & EndReader
  readonly store: CommandStore & ResultReader
  readonly log: EventLog
  readonly announcements: Announcements
  readonly staging: ImportStaging
  readonly idempotency: IdempotencyStore
  readonly queue: CommandQueue
  /** Gives a worker the lease of a command. */
  lend(id: CommandId, lease: Lease): Promise<void>
  /** Overwrites the stored policy of a key. */
  damagePolicy(key: string): Promise<void>
  damageClaim(scope: { actor: string; key: string }): Promise<void>
  /** Replaces a partition's log by an empty one. */
  replaceLog(partition: number): Promise<void>
  close(): Promise<void>
}

const LEASE = 'lease'
const NOON_MS = Date.parse('2026-01-31T12:00:00.000Z')
const KEY = 'user:42'
const SCOPE = { actor: 'ops', key: 'once' }

/** Runs the cases against the adapters that `start` returns, which share an empty store and the given clock, in ms since 1970. */
export function describePorts(name: string, start: (now: () => number) => Promise<PortAdapters>): void {
  let ports: PortAdapters
  /** By this clock temporary policies end. */
  let nowMs: number
  beforeEach(async () => {
    nowMs = NOON_MS
    ports = await start(() => nowMs)
  })
  afterEach(() => ports.close())

  const newId = (key = KEY) => commandId(key, randomUUID())

  function eventOf(key: string, version: number, overrides: Partial<PolicyEvent> = {}): PolicyEvent {
    const policy = definitionOf({ description: `version ${version}` })
    const type = version === 1 ? 'created' : 'changed'
    const at = '2026-01-31T12:00:00.000Z'
    return { schema: 1, key, version, type, at, actor: 'ops', commandId: newId(key), policy, ...overrides }
  }

  function outcomeOf(id: CommandId, { key, version }: PolicyEvent): AppliedCommand {
    return { id, key, status: 'applied', version, effect: 'changed' }
  }

  /** Ends a command with the next event of the key. */
  async function change(key = KEY, overrides: Partial<PolicyEvent> = {}) {
    const id = newId(key)
    await ports.lend(id, LEASE)
    const expectedVersion = await ports.reader.keyRevision(key)
    const event = eventOf(key, expectedVersion + 1, { commandId: id, ...overrides })
    const outcome = outcomeOf(id, event)
    const result = await ports.store.append({ outcome, lease: LEASE, change: { key, expectedVersion, event } })
    expect(result).toEqual({ kind: 'appended' })
    return { id, event, outcome }
  }

  async function fail(id: CommandId, lease = LEASE) {
    const error = { code: 'internal', detail: 'because' } as const
    const failure: FailedCommand = { id, key: KEY, status: 'failed', error, revisionAtFailure: 3 }
    return { failure, isRecorded: await ports.store.recordFailure(failure, lease) }
  }

  describe(`CommandStore: ${name}`, () => {
    it('appends an event together with its outcome', async () => {
      const { id, event, outcome } = await change()
      expect(await ports.store.outcome(id)).toEqual(outcome)
      expect(await ports.store.result(id)).toEqual(outcome)
      expect(await ports.reader.version(KEY, 1)).toEqual(event)
    })

    it('keeps the first outcome of a command', async () => {
      const { id, event, outcome } = await change()
      const again = {
        outcome: { ...outcome, version: 9 },
        lease: LEASE,
        change: { key: KEY, expectedVersion: 1, event },
      }
      expect(await ports.store.append(again)).toEqual({ kind: 'ended', outcome })
      expect(await ports.store.outcome(id)).toEqual(outcome)
      expect(await ports.reader.keyRevision(KEY)).toBe(1)
    })

    it('appends nothing without the lease', async () => {
      const id = newId()
      await ports.lend(id, 'another')
      const event = eventOf(KEY, 1)
      const end = { outcome: outcomeOf(id, event), lease: LEASE, change: { key: KEY, expectedVersion: 0, event } }
      expect(await ports.store.append(end)).toEqual({ kind: 'lease-lost' })
      expect(await ports.reader.state(KEY)).toEqual(initialState)
    })

    it('appends nothing at another version', async () => {
      await change()
      const id = newId()
      await ports.lend(id, LEASE)
      const event = eventOf(KEY, 1)
      const end = { outcome: outcomeOf(id, event), lease: LEASE, change: { key: KEY, expectedVersion: 0, event } }
      const mismatch = { key: KEY, expectedVersion: 0 }
      expect(await ports.store.append(end)).toEqual({ kind: 'moved-on', mismatch })
      expect(await ports.store.outcome(id)).toBeUndefined()
    })

    it('records an outcome without an event', async () => {
      const id = newId()
      await ports.lend(id, LEASE)
      const error = { code: 'policy-not-found', detail: 'none' } as const
      const outcome = { id, key: KEY, status: 'rejected', error } as const
      const end = { outcome, lease: LEASE, change: { key: KEY, expectedVersion: 0 } }
      expect(await ports.store.append(end)).toEqual({ kind: 'appended' })
      expect(await ports.store.result(id)).toEqual(outcome)
      expect(await ports.reader.partitionRevision(partitionOf(id))).toBe(0)
    })

    it('applies the chunks of an import in order', async () => {
      const import_ = importId(randomUUID())
      const partId = partIds(import_)[configPartition(KEY)] as CommandId
      await ports.lend(partId, LEASE)
      const event = eventOf(KEY, 1, { commandId: import_, type: 'imported' })
      const changes: KeyChange[] = [{ key: KEY, expectedVersion: 0, event }]
      const to = { nextChunk: 1, counts: { created: 1, changed: 0, unchanged: 0, deleted: 0 } }
      const step = { partId, lease: LEASE, from: undefined, to, changes }
      expect(await ports.store.appendChunk(step)).toEqual({ kind: 'appended' })
      expect(await ports.store.progress(partId)).toEqual(to)
      expect(await ports.store.appendChunk(step)).toEqual({ kind: 'progressed', progress: to })
      const outcome = { id: partId, status: 'applied', counts: to.counts } as const
      expect(await ports.store.append({ outcome, lease: LEASE })).toEqual({ kind: 'progressed', progress: to })
      expect(await ports.store.append({ outcome, lease: LEASE, from: to })).toEqual({ kind: 'appended' })
      expect(await ports.store.result(partId)).toEqual(outcome)
      await ports.staging.drop([partId])
      expect(await ports.store.progress(partId)).toBeUndefined()
    })

    it('reports a failure until the command has an outcome', async () => {
      const id = newId()
      await ports.lend(id, LEASE)
      const { failure, isRecorded } = await fail(id)
      expect(isRecorded).toBe(true)
      expect(await ports.store.failure(id)).toEqual(failure)
      expect(await ports.store.result(id)).toEqual(failure)
      const event = eventOf(KEY, 1)
      const outcome = outcomeOf(id, event)
      await ports.store.append({ outcome, lease: LEASE, change: { key: KEY, expectedVersion: 0, event } })
      expect(await ports.store.result(id)).toEqual(outcome)
    })

    it('records no failure without the lease, or of a command that has ended', async () => {
      const id = newId()
      await ports.lend(id, 'another')
      expect((await fail(id)).isRecorded).toBe(false)
      expect(await ports.store.result(id)).toBeUndefined()
      const { id: ended, outcome } = await change()
      expect((await fail(ended)).isRecorded).toBe(false)
      expect(await ports.store.result(ended)).toEqual(outcome)
    })

    it('finds nothing for another command', async () => {
      const id = newId()
      expect(await ports.store.result(id)).toBeUndefined()
      expect(await ports.store.failure(id)).toBeUndefined()
      expect(await ports.store.progress(id)).toBeUndefined()
      await ports.store.extendRetention([id])
      expect(await ports.store.result(id)).toBeUndefined()
    })
  })

  describe(`StateReader and PolicyReader: ${name}`, () => {
    it('derive the state from the events', async () => {
      const events = [(await change()).event, (await change(KEY, { type: 'deleted', policy: null })).event]
      expect(await ports.reader.state(KEY)).toEqual(events.reduce(evolve, initialState))
      expect(await ports.reader.get(KEY)).toBeUndefined()
      const { event } = await change()
      expect(await ports.reader.state(KEY)).toEqual([...events, event].reduce(evolve, initialState))
      expect(await ports.reader.states([KEY])).toEqual([await ports.reader.state(KEY)])
      expect(await ports.reader.get(KEY)).toEqual(recordOf(event))
      expect(await ports.reader.partitionRevision(configPartition(KEY))).toBe(3)
    })

    it('read the position of the last event of a key, also if it was a deletion', async () => {
      const [neighbour = ''] = Array.from({ length: 50 }, (_, i) => `user:${100 + i}`).filter(
        key => configPartition(key) === configPartition(KEY),
      )
      await change()
      await change(neighbour)
      await change(KEY, { type: 'deleted', policy: null })
      expect(await ports.reader.lastPositions([neighbour, KEY, 'user:none'])).toEqual([2, 3, 0])
    })

    it('read the history in pages', async () => {
      const events: PolicyEvent[] = []
      for (let i = 0; i < 3; i++) events.push((await change()).event)
      expect(await ports.reader.history(KEY, { after: 0, limit: 2 })).toEqual(events.slice(0, 2))
      expect(await ports.reader.history(KEY, { after: 2, limit: 2 })).toEqual(events.slice(2))
      expect(await ports.reader.version(KEY, 4)).toBeUndefined()
    })

    it('list policies in byte order of their keys', async () => {
      const keys = ['user:*', 'user:1', 'user:ü', 'user:日', '*', 'other']
      for (const key of keys) await change(key)
      await change('other', { type: 'deleted', policy: null })
      const inOrder = ['*', 'user:*', 'user:1', 'user:ü', 'user:日']
      const listed = async (prefix: string, after: string | undefined, limit: number) =>
        (await ports.reader.list({ prefix, after, limit })).map(({ key }) => key)
      expect(await listed('', undefined, 10)).toEqual(inOrder)
      expect(await listed('user:', 'user:*', 2)).toEqual(['user:1', 'user:ü'])
      const all: string[] = []
      for await (const records of ports.reader.all()) all.push(...records.map(({ key }) => key))
      expect(all).toEqual(inOrder)
    })

    it('return the keys of a range in byte order, in chunks', async () => {
      const users = Array.from({ length: 120 }, (_, i) => `user:${i}`)
      for (const key of ['*', 'user:*', 'user:ü', 'user:日', 'users', 'other', ...users]) await change(key)
      await change('user:7', { type: 'deleted', policy: null })
      await ports.damagePolicy('user:8')
      const read = async (range: KeyRange) => {
        const chunks: (readonly string[])[] = []
        for await (const chunk of ports.reader.keys(range)) chunks.push(chunk)
        return chunks
      }
      const within = ['user:*', ...users.filter(key => key !== 'user:7').toSorted(), 'user:ü', 'user:日']
      const chunks = await read({ prefix: 'user:' })
      expect(chunks.flat()).toEqual(within)
      expect(Math.max(...chunks.map(({ length }) => length))).toBe(100)
      expect((await read({ prefix: '' })).flat()).toEqual(['*', 'other', ...within, 'users'])
      expect((await read({ prefix: 'user:', after: 'user:9' })).flat()).toEqual(
        within.slice(within.indexOf('user:9') + 1),
      )
      for (const partition of [0, 1, 2, 3]) {
        const own = within.filter(key => configPartition(key) === partition)
        expect((await read({ prefix: 'user:', partition })).flat()).toEqual(own)
      }
      expect(await read({ prefix: 'nobody:' })).toEqual([])
    })

    it('count the policies inside a prefix', async () => {
      for (const key of ['user:*', 'user:1', 'user:2', 'other']) await change(key)
      expect(await ports.reader.countInside('user:*')).toBe(2)
      expect(await ports.reader.countInside('*')).toBe(4)
      expect(await ports.reader.countInside('user:1')).toBe(0)
    })

    it('leave a damaged policy out of lists, and refuse to read it alone', async () => {
      await change('user:1')
      const { event } = await change()
      await ports.damagePolicy(KEY)
      expect((await ports.reader.list({ prefix: '', after: undefined, limit: 9 })).map(({ key }) => key)).toEqual([
        'user:1',
      ])
      await expect(ports.reader.get(KEY)).rejects.toThrow(DamagedRecord)
      expect(await ports.reader.state(KEY)).toEqual({ version: 1, policy: event.policy, isDamaged: true })
      expect(await ports.reader.keyRevision(KEY)).toBe(1)
      await change()
      expect(await ports.reader.get(KEY)).toMatchObject({ version: 2 })
    })
  })

  describe(`Temporary policies: ${name}`, () => {
    const lasting = definitionOf({ description: 'lasting' })
    const END_MS = NOON_MS + 3_600_000
    const temporary = (overrides: Partial<TemporaryPolicy> = {}): TemporaryPolicy => ({
      ...definitionOf({ description: 'temporary' }),
      expiresAt: new Date(END_MS).toISOString(),
      then: lasting,
      ...overrides,
    })
    const allKeys = async () => {
      const keys: string[] = []
      for await (const records of ports.reader.all()) keys.push(...records.map(({ key }) => key))
      return keys
    }

    it('are read as they are stored until their end, and then as what follows', async () => {
      const { event } = await change(KEY, { schema: 2, policy: temporary(), lasting: null })
      expect(await ports.reader.get(KEY)).toEqual(recordOf(event))
      nowMs = END_MS
      const ended = { key: KEY, version: 1, policy: lasting, isEnded: true }
      const present = { ...ended, updatedAt: temporary().expiresAt, updatedBy: 'throttler' }
      expect(await ports.reader.get(KEY)).toEqual(present)
      expect(await ports.reader.list({ prefix: '', after: undefined, limit: 9 })).toEqual([present])
    })

    it('are in the state and in the log as they are stored', async () => {
      const { event } = await change(KEY, { schema: 2, policy: temporary(), lasting: null })
      nowMs = END_MS
      expect(await ports.reader.state(KEY)).toEqual(evolve(initialState, event))
      const { chunks } = await ports.log.snapshot(configPartition(KEY))
      for await (const { records } of chunks) expect(records).toEqual([recordOf(event)])
      expect(await ports.reader.history(KEY, { after: 0, limit: 9 })).toEqual([event])
      await ports.damagePolicy(KEY)
      expect(await ports.reader.state(KEY)).toEqual({ ...evolve(initialState, event), isDamaged: true })
    })

    it('are gone from their end on if nothing follows', async () => {
      const keys = ['user:*', 'user:1', 'user:2', 'user:3']
      for (const key of keys) await change(key)
      await change('user:2', { schema: 2, policy: temporary({ then: null }) })
      expect(await allKeys()).toEqual(keys)
      nowMs = END_MS
      expect(await ports.reader.get('user:2')).toBeUndefined()
      expect(await allKeys()).toEqual(['user:*', 'user:1', 'user:3'])
      expect(await ports.reader.countInside('user:*')).toBe(2)
      const page = await ports.reader.list({ prefix: 'user:', after: 'user:1', limit: 1 })
      expect(page.map(({ key }) => key)).toEqual(['user:3'])
    })

    const partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, number) => number)
    const dueEnds = async () => (await Promise.all(partitions.map(one => ports.reader.dueEnds(one, 9)))).flat()

    it('are due from their end on, until something else changes the key', async () => {
      const keys = ['user:1', 'user:2', 'user:3', 'user:4']
      for (const key of keys) await change(key, { schema: 2, policy: temporary() })
      await change('lasting')
      await change('user:2', { type: 'deleted', policy: null })
      await change('user:3', { policy: lasting })
      await change('user:4', { schema: 2, policy: temporary({ expiresAt: new Date(END_MS + 1).toISOString() }) })
      expect(await dueEnds()).toEqual([])
      nowMs = END_MS
      expect(await dueEnds()).toEqual([{ key: 'user:1', version: 1 }])
      nowMs++
      const due = await dueEnds()
      expect(due.map(({ key, version }) => `${key} ${version}`).toSorted()).toEqual(['user:1 1', 'user:4 2'])
      await change('user:1', { schema: 2, type: 'expired', actor: 'throttler', policy: lasting })
      expect(await dueEnds()).toEqual([{ key: 'user:4', version: 2 }])
    })

    it('remember a recorded end', async () => {
      const { event: first } = await change(KEY, { schema: 2, policy: temporary() })
      const { event } = await change(KEY, { schema: 2, type: 'expired', policy: lasting })
      expect(await ports.reader.state(KEY)).toEqual([first, event].reduce(evolve, initialState))
      expect(await ports.reader.get(KEY)).toEqual(recordOf(event))
    })

    it('have their ends recorded once, by an ordinary command', async () => {
      for (const key of ['user:1', 'user:2']) await change(key, { schema: 2, policy: temporary() })
      await change('lasting')
      nowMs = END_MS
      const queued: QueuedCommand[] = []
      const failed = (err: unknown) => Promise.reject(err)
      const queue = { addAgain: async (command: QueuedCommand) => void queued.push(command) }
      const recorder = new EndRecorder({ reader: ports.reader, queue, failed })
      await recorder.record()
      await recorder.record()
      expect(new Set(queued.map(({ id }) => id)).size).toBe(2)
      const applier = new CommandApplier({ reader: ports.reader, store: ports.store, now: () => new Date(nowMs) })
      for (const command of queued as ExpirePolicy[]) {
        await ports.lend(command.id, LEASE)
        const outcome = await applier.apply(command, { isRetry: false, lease: LEASE, refusal: undefined })
        expect(outcome).toMatchObject({ status: 'applied', version: 2, effect: 'changed' })
      }
      expect(await dueEnds()).toEqual([])
      const [, last, ...others] = await ports.reader.history('user:1', { after: 0, limit: 9 })
      expect(last).toMatchObject({ schema: 2, version: 2, type: 'expired', actor: 'throttler', policy: lasting })
      expect(others).toEqual([])
    })
  })

  describe(`EventLog: ${name}`, () => {
    const partition = configPartition(KEY)
    const recordsOf = async () => {
      const { at, chunks } = await ports.log.snapshot(partition)
      const records = []
      for await (const chunk of chunks) records.push(...chunk.records)
      return { at, records }
    }

    it('continues after a snapshot with every later event', async () => {
      const { event } = await change()
      const { at, records } = await recordsOf()
      expect(records).toEqual([recordOf(event)])
      expect(await ports.log.read(partition, at)).toEqual({ at, entries: [], hasMore: false, logEvents: 1 })
      const later = (await change()).event
      const read = await ports.log.read(partition, at)
      expect(read).toMatchObject({ entries: [{ position: 2, event: later }], hasMore: false, logEvents: 2 })
      expect(read.at.position).toBe(2)
    })

    it('can be followed from before its first event', async () => {
      const { at } = await recordsOf()
      expect(at.position).toBe(0)
      const { event } = await change()
      expect((await ports.log.read(partition, at)).entries).toEqual([{ position: 1, event }])
    })

    it('refuses to continue a log that was replaced', async () => {
      await change()
      const { at } = await recordsOf()
      await ports.replaceLog(partition)
      await expect(ports.log.read(partition, at)).rejects.toThrow(LogReplaced)
    })
  })

  describe(`Announcements: ${name}`, () => {
    it('announce every result, and the progress of an import', async () => {
      const announced: Announcement[] = []
      await new Promise<void>(resolve => {
        ports.announcements.subscribe({ announced: one => void announced.push(one), reconnected: resolve })
      })
      const { outcome } = await change()
      const id = newId()
      await ports.lend(id, LEASE)
      const { failure } = await fail(id)
      await ports.store.announceFailure(id)
      const partId = partIds(importId(randomUUID()))[2] as CommandId
      await ports.lend(partId, LEASE)
      const to = { nextChunk: 1, counts: { created: 0, changed: 0, unchanged: 1, deleted: 0 } }
      await ports.store.appendChunk({ partId, lease: LEASE, from: undefined, to, changes: [] })
      const partition = configPartition(KEY)
      await eventually(() =>
        expect(announced).toEqual([{ partition, result: outcome }, { partition, result: failure }, { partition: 2 }]),
      )
    })
  })

  describe(`ImportStaging: ${name}`, () => {
    it('returns chunks in their order, and whether there are more', async () => {
      const [partId, other] = partIds(importId(randomUUID())) as [CommandId, CommandId]
      await ports.staging.add(partId, ['a', 'b'])
      await ports.staging.add(partId, ['c'])
      expect(await ports.staging.chunk(partId, 2)).toBeUndefined()
      expect(await ports.staging.seal([{ id: partId, chunks: 2 }])).toBe(true)
      expect(await Promise.all([0, 1, 2, 3].map(index => ports.staging.chunk(partId, index)))).toEqual([
        ['a', 'b'],
        ['c'],
        [],
        undefined,
      ])
      expect(await ports.staging.chunk(other, 0)).toBeUndefined()
    })

    it('tells the keys that lines do not name, if it has their names', async () => {
      const [partId, empty, other] = partIds(importId(randomUUID())) as [CommandId, CommandId, CommandId]
      await ports.staging.addNames(partId, ['a', 'b'])
      await ports.staging.addNames(partId, ['c'])
      await ports.staging.addNames(empty, [])
      expect(await ports.staging.unnamed(partId, ['d', 'c', 'b', 'é'])).toEqual(['d', 'é'])
      expect(await ports.staging.unnamed(partId, [])).toEqual([])
      expect(await ports.staging.unnamed(empty, ['a'])).toEqual(['a'])
      expect(await ports.staging.unnamed(other, ['a'])).toBeUndefined()
    })

    it.each([
      ['as many chunks and names', { chunks: 2, names: 3 }, true],
      ['one chunk less than were added', { chunks: 3, names: 3 }, false],
      ['one chunk more', { chunks: 1, names: 3 }, false],
      ['one name less', { chunks: 2, names: 4 }, false],
      ['names although none were added', { chunks: 2 }, false],
    ])('seals a part with %s: %j %j', async (_, added, isSealed) => {
      const [partId, other] = partIds(importId(randomUUID())) as [CommandId, CommandId]
      await ports.staging.add(partId, ['a', 'b'])
      await ports.staging.addNames(partId, ['a', 'b'])
      await ports.staging.add(partId, ['c'])
      await ports.staging.addNames(partId, ['c'])
      expect(await ports.staging.isSealed(partId)).toBe(false)
      expect(await ports.staging.seal([{ id: partId, ...added }])).toBe(isSealed)
      expect(await ports.staging.isSealed(partId)).toBe(isSealed)
      expect(await ports.staging.isSealed(other)).toBe(false)
    })

    it('seals parts without lines, if their names are there in an import that prunes', async () => {
      const [partId, other] = partIds(importId(randomUUID())) as [CommandId, CommandId]
      await ports.staging.addNames(partId, [])
      const named = { id: partId, chunks: 0, names: 0 }
      expect(await ports.staging.seal([{ ...named, id: other }])).toBe(false)
      expect(await ports.staging.seal([named, { id: other, chunks: 0 }])).toBe(true)
      expect(await Promise.all([partId, other].map(id => ports.staging.isSealed(id)))).toEqual([true, true])
    })

    it('forgets dropped lines and names', async () => {
      const [partId] = partIds(importId(randomUUID())) as [CommandId]
      await ports.staging.add(partId, ['a'])
      await ports.staging.addNames(partId, ['a'])
      await ports.staging.seal([{ id: partId, chunks: 1, names: 1 }])
      await ports.staging.keep([partId])
      await ports.staging.drop([partId])
      expect(await ports.staging.chunk(partId, 0)).toBeUndefined()
      expect(await ports.staging.unnamed(partId, ['b'])).toBeUndefined()
    })
  })

  describe(`IdempotencyStore: ${name}`, () => {
    const first = { commandId: newId(), fingerprint: 'f' }
    const second = { commandId: newId(), fingerprint: 'g' }

    it('keeps the first claim of a key', async () => {
      expect(await ports.idempotency.claim(SCOPE, first)).toEqual(first)
      expect(await ports.idempotency.claim(SCOPE, second)).toEqual(first)
      expect(await ports.idempotency.reclaim(SCOPE, second)).toEqual(first)
      expect(await ports.idempotency.claim({ ...SCOPE, actor: 'another' }, second)).toEqual(second)
    })

    it('keeps it after its command has ended', async () => {
      await ports.idempotency.claim(SCOPE, first)
      await ports.idempotency.keep(SCOPE, first.commandId)
      await ports.idempotency.end(SCOPE, { commandId: first.commandId, id: first.commandId, parts: 1 })
      expect(await ports.idempotency.claim(SCOPE, second)).toEqual(first)
    })

    it('lets only a queued command replace a damaged claim', async () => {
      await ports.idempotency.claim(SCOPE, first)
      await ports.damageClaim(SCOPE)
      await expect(ports.idempotency.claim(SCOPE, second)).rejects.toThrow(DamagedRecord)
      expect(await ports.idempotency.reclaim(SCOPE, first)).toEqual(first)
      expect(await ports.idempotency.claim(SCOPE, second)).toEqual(first)
    })
  })

  describe(`CommandQueue: ${name}`, () => {
    const put: PutPolicy = { type: 'put', id: newId(), key: KEY, actor: 'ops', policy: definitionOf({}) }

    it('finds a queued command', async () => {
      expect(await ports.queue.findQueued(put.id)).toBeUndefined()
      await ports.queue.add(put)
      await ports.queue.addAgain(put)
      expect(await ports.queue.findQueued(put.id)).toEqual({ key: KEY })
    })

    it('finds a part of an import, which has no key', async () => {
      const import_ = importId(randomUUID())
      const [id] = partIds(import_) as [CommandId]
      await ports.queue.add({ type: 'import-part', id, importId: import_, actor: 'ops' })
      expect(await ports.queue.findQueued(id)).toEqual({})
    })
  })
}
