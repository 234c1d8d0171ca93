import { constants } from 'node:buffer'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import type { PolicyEvent } from '../../../src/domain/events.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { Journal } from '../../../src/embedded/journal.ts'
import { readEntries } from '../../../src/embedded/journal-lines.ts'
import { writeCompacted } from '../../../src/embedded/write-compacted.ts'
import { CannotStart } from '../../../src/processes/supervised-process.ts'
import { definitionOf } from '../../support/policies.ts'

const IDENTITIES = ['a', 'b', 'c', 'd']
const END = '2026-12-31T12:00:00.000Z'
const HELD = { isHeld: true, requireHeld: () => undefined }
/** For a test that needs a gigabyte. */
const long = process.env['TEST_LONG'] !== undefined ? it : it.skip
const FORMAT_1 = fileURLToPath(new URL('../../fixtures/journal-1.ndjson', import.meta.url))

let directory: string
let path: string
let said: string[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-journal-'))
  path = join(directory, 'journal.ndjson')
  said = []
})
afterEach(() => rmSync(directory, { recursive: true }))

/** Opens the journal, reads it, passes it to `use`, and closes it. */
async function open(use: (journal: Journal) => void | Promise<void> = () => undefined) {
  const logger = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) })
  const journal = new Journal({ path, identities: IDENTITIES, directory: HELD, logger })
  const entries = [...readEntries(journal.file)]
  expect(journal.entryCount).toBe(entries.length)
  await use(journal)
  journal.close()
  return {
    ...journal.header,
    snapshot: entries.flatMap(({ position, event }) => (position === undefined ? [] : [{ position, event }])),
    events: entries.flatMap(({ position, event }) => (position === undefined ? [event] : [])),
  }
}

function event(version: number, key = 'ü/日本'): PolicyEvent {
  const at = '2025-10-09T08:00:00.000Z'
  const policy = definitionOf({ description: `version ${version}` })
  return { schema: 1, key, version, type: 'changed', at, actor: 'ops', commandId: `2-${version}`, policy }
}

const jsonOf = (...events: PolicyEvent[]) => events.map(e => JSON.stringify(e))
const append = (...versions: number[]) =>
  open(journal => journal.append(jsonOf(...versions.map(version => event(version)))))
const inThisThread = async (job: Parameters<typeof writeCompacted>[0]) => writeCompacted(job)

describe('the journal', () => {
  it('holds what was written, in order', async () => {
    await append(1, 2)
    await append(3)
    expect(await open()).toEqual({
      identities: IDENTITIES,
      compactedTo: [0, 0, 0, 0],
      snapshot: [],
      events: [1, 2, 3].map(version => event(version)),
    })
    expect(said).toEqual([])
  })

  it('cuts off an incomplete last line, logs that, and continues after it', async () => {
    await append(1)
    const whole = readFileSync(path).length
    await append(2)
    const end = readFileSync(path).length
    for (let cut = whole + 1; cut < end; cut++) {
      said = []
      truncateSync(path, cut)
      expect((await open()).events).toEqual([event(1)])
      expect(said).toEqual([expect.stringContaining('the last line of the journal is incomplete')])
      expect(readFileSync(path)).toHaveLength(whole)
      await append(2)
      expect((await open()).events).toEqual([event(1), event(2)])
      expect(said).toHaveLength(1)
    }
  })

  it('refuses a damaged line before the last, and names it', async () => {
    await append(1, 2)
    writeFileSync(path, readFileSync(path, 'utf8').replace('"version":1', '"version":'))
    await expect(open()).rejects.toThrow(
      /^line 2 of .*journal.ndjson is damaged: it must be a JSON object \(got \{"schema".{0,100}…\); restore the file/,
    )
  })

  it.each([101, 100_000])('refuses a line that is nested too deeply: %i levels', async levels => {
    await append(1)
    const nested = '['.repeat(levels - 1) + ']'.repeat(levels - 1)
    appendFileSync(path, `{"schema":1,"key":${nested}}\n`)
    await expectDamage(3, 'it must be nested at most 100 levels deep')
  })

  it.each([2, 4_000])('refuses a line that is not UTF-8 instead of replacing its bytes: line %i', async line => {
    await open(journal => journal.append(jsonOf(...Array.from({ length: 5_000 }, (_, i) => event(i + 1, 'k:once')))))
    const bytes = readFileSync(path)
    const at = bytes.indexOf('k:once', bytes.indexOf(`"version":${line - 1},`) - 30)
    bytes[at] = (bytes[at] as number) | 0x80
    writeFileSync(path, bytes)
    await expectDamage(line, 'it must be UTF-8 (got {"schema":1,"key":"\uFFFD:once",')
  })

  /** Members of an event with an invalid policy. */
  const policy = (members: object) => ({ policy: { ...definitionOf(), ...members } })
  const limit = (members: object) => policy({ limits: [{ ...definitionOf().limits[0], ...members }] })
  const policyMembers = 'limits, mode, onStoreFailure, overdraft, description'

  it.each<[member: string, written: object | string, fault: string]>([
    ['schema', { schema: undefined }, '"schema" must be an integer between 1 and 9007199254740991 (it is missing)'],
    ['schema', { schema: '1' }, '"schema" must be an integer between 1 and 9007199254740991 (got "1")'],
    ['key', { key: 7 }, '"key" must be a string (got 7)'],
    [
      'key',
      { key: '' },
      '"key" must be a valid config key: the key is empty; 1 to 256 bytes of UTF-8 are allowed (got "")',
    ],
    ['version', { version: undefined }, '"version" must be an integer between 1 and 9007199254740991 (it is missing)'],
    ['version', { version: '2' }, '"version" must be an integer between 1 and 9007199254740991 (got "2")'],
    ['version', { version: -1 }, '"version" must be an integer between 1 and 9007199254740991 (got -1)'],
    ['version', '"version":1e999', '"version" must be an integer between 1 and 9007199254740991 (got Infinity)'],
    [
      'type',
      { type: 'renamed' },
      '"type" must be one of created, changed, deleted, rolled-back, imported, expired (got "renamed")',
    ],
    ['at', { at: 'yesterday' }, '"at" must be a UTC time such as "2026-01-31T12:00:00.000Z" (got "yesterday")'],
    ['at', { at: '2026-13-31T12:00:00Z' }, '"at" must be a UTC time such as'],
    ['actor', { actor: null }, '"actor" must be a string (got null)'],
    ['reason', { reason: 1 }, '"reason" must be a string (got 1)'],
    ['commandId', { commandId: undefined }, '"commandId" must be a string that is not empty (it is missing)'],
    ['requestId', { requestId: {} }, '"requestId" must be a string (got {})'],
    ['idempotency', { idempotency: null }, '"idempotency" must be an object (got null)'],
    ['idempotency', { idempotency: 'k' }, '"idempotency" must be an object (got "k")'],
    [
      'idempotency',
      { idempotency: { key: 'k' } },
      '"idempotency.fingerprint" must be a string that is not empty (it is missing)',
    ],
    [
      'idempotency',
      { idempotency: { key: 1, fingerprint: 'f' } },
      '"idempotency.key" must be a string that is not empty (got 1)',
    ],
    [
      'idempotency',
      { idempotency: { key: 'k', fingerprint: 'f', actor: 'a' } },
      '"idempotency.actor" must be absent: only key, fingerprint are allowed (got "a")',
    ],
    ['policy', { policy: undefined }, '"policy" must be an object (it is missing)'],
    ['policy', { policy: 'none' }, '"policy" must be an object (got "none")'],
    [
      'policy',
      policy({ mode: 'lenient' }),
      '"policy.mode" must be one of "enforce", "shadow", "off", "block" (got "lenient")',
    ],
    [
      'policy',
      policy({ onStoreFailure: 1 }),
      '"policy.onStoreFailure" must be one of "local", "allow", "deny" (got 1)',
    ],
    ['policy', policy({ description: [] }), '"policy.description" must be a string (got [])'],
    [
      'policy',
      policy({ algorithm: 'gcra' }),
      `"policy.algorithm" must be absent: only ${policyMembers} are allowed (got "gcra")`,
    ],
    [
      'policy',
      policy({ expiresAt: '2026-01-31', then: null }),
      '"policy.expiresAt" must be a UTC time such as "2026-01-31T12:00:00.000Z" (got "2026-01-31")',
    ],
    ['policy', policy({ then: null }), '"policy.then" must be absent without expiresAt (got null)'],
    ['policy', policy({ expiresAt: END }), '"policy.then" must be an object (it is missing)'],
    [
      'policy',
      policy({ expiresAt: END, then: { ...definitionOf(), limits: [] } }),
      '"policy.then.limits" must be an array of 1 to 8 limits (got [])',
    ],
    [
      'policy',
      policy({ expiresAt: END, then: { ...definitionOf(), expiresAt: END, then: null } }),
      `"policy.then.expiresAt" must be absent: what follows has no end of its own (got "${END}")`,
    ],
    [
      'policy',
      policy({ expiresAt: END, then: { ...definitionOf(), algorithm: 'gcra' } }),
      `"policy.then.algorithm" must be absent: only ${policyMembers} are allowed (got "gcra")`,
    ],
    [
      'policy',
      policy({ expiresAt: END, then: null, algorithm: 'gcra' }),
      `"policy.algorithm" must be absent: only ${policyMembers}, expiresAt, then are allowed (got "gcra")`,
    ],
    ['lasting', { lasting: 'none' }, '"lasting" must be an object (got "none")'],
    [
      'lasting',
      { lasting: { ...definitionOf(), mode: 'lenient' } },
      '"lasting.mode" must be one of "enforce", "shadow",',
    ],
    ['policy', policy({ limits: undefined }), '"policy.limits" must be an array of 1 to 8 limits (it is missing)'],
    ['policy', policy({ limits: [] }), '"policy.limits" must be an array of 1 to 8 limits (got [])'],
    ['policy', policy({ limits: [null] }), '"policy.limits[0]" must be an object (got null)'],
    ['policy', limit({ name: 'A B' }), '"policy.limits[0].name" must be a string like ^[a-z0-9_-]{1,32}$ (got "A B")'],
    ['policy', limit({ shadow: false }), '"policy.limits[0].shadow" must be absent or true (got false)'],
    ['policy', limit({ shadow: true }), '"policy.limits" must be limits that are not all shadow limits (got [{"name"'],
    [
      'policy',
      limit({ capacity: 0 }),
      '"policy.limits[0].capacity" must be an integer between 1 and 1000000000 (got 0)',
    ],
    [
      'policy',
      limit({ capacity: Number.NaN }),
      '"policy.limits[0].capacity" must be an integer between 1 and 1000000000 (got null)',
    ],
    [
      'policy',
      limit({ refillTokens: 0.5 }),
      '"policy.limits[0].refillTokens" must be an integer between 1 and 1000000000 (got 0.5)',
    ],
    [
      'policy',
      limit({ refillIntervalMs: 1e10 }),
      '"policy.limits[0].refillIntervalMs" must be an integer between 1 and 2678400000 (got 10000000000)',
    ],
    [
      'policy',
      limit({ burst: 1 }),
      '"policy.limits[0].burst" must be absent: only name, capacity, refillTokens, refillIntervalMs, shadow are allowed (got 1)',
    ],
    [
      'policy',
      policy({ limits: [definitionOf().limits[0], definitionOf().limits[0]] }),
      '"policy.limits" must be limits with distinct names (got [{',
    ],
  ])('refuses an event whose %s is %j', async (_, written, fault) => {
    await append(1)
    const line = JSON.stringify({ ...event(2), ...(typeof written === 'object' && written) })
    appendFileSync(path, `${typeof written === 'string' ? line.replace(/"version":2/, written) : line}\n`)
    await expectDamage(3, fault)
  })

  it('accepts members that a later release of the same schema adds to an event', async () => {
    await open(journal => journal.append([JSON.stringify({ ...event(1), approvedBy: 'lead' })]))
    expect((await open()).events).toMatchObject([event(1)])
  })

  it.each<[line: string, fault: string]>([
    ['', 'it must be a JSON object (got nothing)'],
    ['null', 'it must be a JSON object (got null)'],
    ['1', 'it must be a JSON object (got 1)'],
    ['"text"', 'it must be a JSON object (got "text")'],
    ['[]', 'it must be a JSON object (got [])'],
    ['\0\0{', 'it must be a JSON object (got \\u0000\\u0000{)'],
    ['\0'.repeat(10_000), `it must be a JSON object (got ${'\\u0000'.repeat(17).slice(0, 100)}…)`],
    ['{"version":NaN}', 'it must be a JSON object (got {"version":NaN})'],
    ['{"position":1}', '"event" must be an object (it is missing)'],
    ['{"position":1,"event":null}', '"event" must be an object (got null)'],
    ['{"position":"1","event":{}}', '"position" must be an integer between 1 and 9007199254740991 (got "1")'],
    ['{"position":0,"event":{}}', '"position" must be an integer between 1 and 9007199254740991 (got 0)'],
    ['{"position":1,"event":{},"key":"k"}', '"key" must be absent: only position, event are allowed (got "k")'],
    ['{"position":1,"event":{"schema":1}}', '"event.key" must be a string (it is missing)'],
    ['{"compactedTo":[1,2,3],"schema":1}', '"compactedTo" must be an array of 4 integers (got [1,2,3])'],
    [
      '{"compactedTo":[1,2,3,-4],"schema":1}',
      '"compactedTo[3]" must be an integer between 0 and 9007199254740991 (got -4)',
    ],
    ['{"compactedTo":[1,2,3,4],"schema":1}', '"key" must be a string (it is missing)'],
  ])('refuses the line %j', async (line, fault) => {
    await append(1)
    appendFileSync(path, `${line}\n`)
    await expectDamage(3, fault)
  })

  const header = (members: object) =>
    JSON.stringify({ journal: 2, identities: IDENTITIES, compactedTo: [0, 0, 0, 0], ...members })

  it.each<[header: string, fault: string]>([
    ['', 'it must be a JSON object (got nothing)'],
    ['null', 'it must be a JSON object (got null)'],
    ['"journal"', 'it must be a JSON object (got "journal")'],
    ['{}', '"journal" must be 1 or 2 (it is missing)'],
    [header({ journal: '2' }), '"journal" must be 1 or 2 (got "2")'],
    [header({ journal: 0 }), '"journal" must be 1 or 2 (got 0)'],
    [header({ identities: undefined }), '"identities" must be an array of 4 strings (it is missing)'],
    [header({ identities: {} }), '"identities" must be an array of 4 strings (got {})'],
    [header({ identities: ['a'] }), '"identities" must be an array of 4 strings (got ["a"])'],
    [header({ identities: ['a', 'b', 3, 'd'] }), '"identities[2]" must be a string that is not empty (got 3)'],
    [header({ identities: ['a', 'b', 'c', ''] }), '"identities[3]" must be a string that is not empty (got "")'],
    [header({ compactedTo: undefined }), '"compactedTo" must be an array of 4 integers (it is missing)'],
    [header({ compactedTo: null }), '"compactedTo" must be an array of 4 integers (got null)'],
    [header({ compactedTo: 5 }), '"compactedTo" must be an array of 4 integers (got 5)'],
    [header({ compactedTo: [0, 0, 0] }), '"compactedTo" must be an array of 4 integers (got [0,0,0])'],
    [
      header({ compactedTo: [0, -1, 0, 0] }),
      '"compactedTo[1]" must be an integer between 0 and 9007199254740991 (got -1)',
    ],
    [
      header({ compactedTo: [0, 0, 0, '7'] }),
      '"compactedTo[3]" must be an integer between 0 and 9007199254740991 (got "7")',
    ],
    [
      header({ compactedTo: [1.5, 0, 0, 0] }),
      '"compactedTo[0]" must be an integer between 0 and 9007199254740991 (got 1.5)',
    ],
    [
      header({ compactedTo: [2 ** 60, 0, 0, 0] }),
      '"compactedTo[0]" must be an integer between 0 and 9007199254740991 (got 1152921504606847000)',
    ],
    [
      header({ compactedTo: [Number.NaN, 0, 0, 0] }),
      '"compactedTo[0]" must be an integer between 0 and 9007199254740991 (got null)',
    ],
    [
      header({ partitions: 8 }),
      '"partitions" must be absent: only journal, identities, compactedTo are allowed (got 8)',
    ],
    [
      header({ compactedTo: 'x'.repeat(500) }),
      `"compactedTo" must be an array of 4 integers (got "${'x'.repeat(99)}…)`,
    ],
  ])('refuses the header %s', async (line, fault) => {
    writeFileSync(path, `${line}\n`)
    await expectDamage(1, fault)
  })

  it('refuses an empty file', async () => {
    writeFileSync(path, '')
    await expectDamage(1, 'it must be a JSON object (got nothing)')
  })

  it('refuses a journal that cannot be opened', async () => {
    mkdirSync(path)
    await expect(open()).rejects.toThrow(CannotStart)
    await expect(open()).rejects.toThrow(/journal.ndjson cannot be used: EISDIR: illegal operation on a directory/)
  })

  it('refuses a journal of a later format', async () => {
    writeFileSync(path, '{"journal":3,"partitions":8}\n')
    await expect(open()).rejects.toThrow(
      /^line 1 of .*journal.ndjson: the journal has format 3; this release reads up to 2$/,
    )
  })

  async function expectDamage(line: number, fault: string): Promise<void> {
    const report = `line ${line} of ${path} is damaged: ${fault}`
    await expect(open()).rejects.toThrow(CannotStart)
    await expect(open()).rejects.toThrow(report)
    await expect(open()).rejects.toThrow(/; restore the file from a backup$/)
  }

  it('refuses events of a later release, and names the line', async () => {
    await open(journal => journal.append([JSON.stringify({ ...event(1), schema: 3 })]))
    await expect(open()).rejects.toThrow(/^line 2 of .*: the log has an event of schema 3; this release reads up to 2/)
  })

  it('can be replaced by a shorter one, and continues', async () => {
    await append(1, 2, 3)
    const kept = { position: 2, event: event(2) }
    await open(journal => {
      const header = { identities: ['e', 'f', 'g', 'h'], compactedTo: [0, 2, 0, 0] }
      journal.replace(header, [JSON.stringify(kept), ...jsonOf(event(3))])
      journal.append(jsonOf(event(4)))
    })
    expect(await open()).toEqual({
      identities: ['e', 'f', 'g', 'h'],
      compactedTo: [0, 2, 0, 0],
      snapshot: [kept],
      events: [event(3), event(4)],
    })
  })

  it.each(['new', 'compacted'])('removes a .%s file that was only partly written before a crash', async suffix => {
    await append(1)
    writeFileSync(`${path}.${suffix}`, '{"journal":2,"identi')
    expect((await open()).events).toEqual([event(1)])
    expect(readdirSync(directory)).toEqual(['journal.ndjson'])
  })

  it('of format 1 is still read', async () => {
    copyFileSync(FORMAT_1, path)
    const { identities, compactedTo, snapshot, events } = await open()
    expect([identities.length, compactedTo, snapshot]).toEqual([4, [0, 0, 0, 0], []])
    expect(events.map(({ key, version, type }) => [key, version, type])).toEqual([
      ['user:*', 1, 'created'],
      ['user:*', 2, 'changed'],
      ['search', 1, 'created'],
      ['search', 2, 'deleted'],
    ])
  })

  it('is read in pieces, which may end within a line', async () => {
    const events = Array.from({ length: 5_000 }, (_, i) => ({ ...event(i + 1), reason: '日'.repeat(i % 1_000) }))
    await open(journal => journal.append(jsonOf(...events)))
    expect((await open()).events).toEqual(events)
  })

  long('may be longer than a string can be', async () => {
    const line = JSON.stringify({ ...event(1), reason: 'x'.repeat(2 ** 20) })
    const lines = Array.from({ length: Math.ceil(constants.MAX_STRING_LENGTH / line.length) }, () => line)
    await open(journal => journal.replace(journal.header, lines))
    const journal = new Journal({ path, identities: IDENTITIES, directory: HELD, logger: pino({ level: 'silent' }) })
    let count = 0
    for (const _ of readEntries(journal.file)) count++
    expect(count).toBe(lines.length)
  })
})

describe('a journal', () => {
  const keys = Array.from({ length: 100 }, (_, i) => `key-${i}`)
  const [A = '', B = ''] = keys.filter(key => configPartition(key) === 0)
  const [C = ''] = keys.filter(key => configPartition(key) === 1)

  it('keeps the last compacted event of each key, and every later one, when it is compacted', async () => {
    const history = [event(1, A), event(1, C), event(2, A), event(1, B), event(3, A), event(2, B), event(2, C)]
    const header = { identities: IDENTITIES, compactedTo: [4, 0, 0, 0] }
    await open(async journal => {
      journal.append(jsonOf(...history))
      await journal.compact(header, inThisThread)
      expect(journal.entryCount).toBe(5)
      journal.append(jsonOf(event(4, A)))
    })
    expect(await open()).toEqual({
      ...header,
      snapshot: [
        { position: 3, event: event(1, B) },
        { position: 4, event: event(3, A) },
      ],
      events: [event(1, C), event(2, B), event(2, C), event(4, A)],
    })
    // The second compaction removes events that have been superseded since the first.
    const further = { identities: IDENTITIES, compactedTo: [6, 1, 0, 0] }
    await open(journal => journal.compact(further, inThisThread))
    expect(await open()).toEqual({
      ...further,
      snapshot: [
        { position: 1, event: event(1, C) },
        { position: 5, event: event(2, B) },
        { position: 6, event: event(4, A) },
      ],
      events: [event(2, C)],
    })
  })

  it.each([1, 5_000])('loses none of %i events that are appended during a compaction', async count => {
    const added = Array.from({ length: count }, (_, i) => event(i + 3, A))
    const header = { identities: IDENTITIES, compactedTo: [1, 0, 0, 0] }
    await open(async journal => {
      journal.append(jsonOf(event(1, A), event(2, A)))
      await journal.compact(header, async job => {
        journal.append(jsonOf(...added.slice(0, -1)))
        const lines = writeCompacted(job)
        queueMicrotask(() => journal.append(jsonOf(...added.slice(-1))))
        return lines
      })
      expect(journal.entryCount).toBe(2 + count)
    })
    expect((await open()).events).toEqual([event(2, A), ...added])
  })

  it('says with the next event how far the logs in the store are compacted, until it is compacted itself', async () => {
    const versions = (...numbers: number[]) => jsonOf(...numbers.map(version => event(version, A)))
    await open(journal => {
      journal.append(versions(1, 2))
      journal.append(versions(3, 4), [2, 0, 0, 0])
      journal.append(versions(5), [2, 0, 0, 0])
    })
    const journal = new Journal({ path, identities: IDENTITIES, directory: HELD, logger: pino({ level: 'silent' }) })
    expect([...readEntries(journal.file)].map(({ text, compactedTo }) => ({ text, compactedTo }))).toEqual(
      versions(1, 2, 3, 4, 5).map((text, i) => ({ text, compactedTo: i === 2 ? [2, 0, 0, 0] : undefined })),
    )
    await journal.compact({ ...journal.header, compactedTo: [3, 0, 0, 0] }, inThisThread)
    journal.close()
    expect(readFileSync(path, 'utf8').trimEnd().split('\n').slice(1)).toEqual([
      `{"position":3,"event":${versions(3)}}`,
      ...versions(4, 5),
    ])
  })

  it('is unchanged after a failed compaction, which leaves no other file', async () => {
    await open(async journal => {
      journal.append(jsonOf(event(1), event(2)))
      const failing = async (job: Parameters<typeof writeCompacted>[0]) => {
        writeCompacted(job)
        throw new Error('ENOSPC')
      }
      await expect(journal.compact(journal.header, failing)).rejects.toThrow('ENOSPC')
      journal.append(jsonOf(event(3)))
    })
    expect((await open()).events).toEqual([1, 2, 3].map(version => event(version)))
    expect(readdirSync(directory)).toEqual(['journal.ndjson'])
  })

  it('discards a compaction if it is replaced meanwhile', async () => {
    await open(async journal => {
      journal.append(jsonOf(event(1), event(2)))
      await journal.compact({ ...journal.header, compactedTo: [9, 9, 9, 9] }, async job => {
        const lines = writeCompacted(job)
        journal.replace(journal.header, jsonOf(event(1, 'new')))
        return lines
      })
    })
    expect(await open()).toMatchObject({ compactedTo: [0, 0, 0, 0], snapshot: [], events: [event(1, 'new')] })
    expect(readdirSync(directory)).toEqual(['journal.ndjson'])
  })

  it.each([
    ['was removed', 'was removed', () => rmSync(path)],
    ['was cut', 'was changed by another process', () => truncateSync(path, 10)],
    ['was written by another process', 'was changed by another process', () => appendFileSync(path, '{}\n')],
    [
      'was replaced',
      'was changed by another process',
      () => {
        const bytes = readFileSync(path)
        rmSync(path)
        writeFileSync(path, bytes)
      },
    ],
  ])('accepts no event if its file %s', async (_, reason, harm) => {
    await open(journal => {
      journal.append(jsonOf(event(1)))
      harm()
      expect(() => journal.append(jsonOf(event(2)))).toThrow(`${path} ${reason}`)
    })
  })
})
