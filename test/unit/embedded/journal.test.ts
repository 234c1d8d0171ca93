import { constants } from 'node:buffer'
import {
  appendFileSync,
  copyFileSync,
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
import { writeCompacted } from '../../../src/embedded/write-compacted.ts'
import { definitionOf } from '../../support/policies.ts'

const IDENTITIES = ['a', 'b', 'c', 'd']
/** What needs a gigabyte. */
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

/** Opens it, reads it, lets it be used, and closes it. */
async function open(use: (journal: Journal) => void | Promise<void> = () => undefined) {
  const logger = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) })
  const journal = new Journal({ path, identities: IDENTITIES, logger })
  const entries = [...journal.entries()]
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

  it('cuts off a last line that is torn, wherever, says so, and continues after it', async () => {
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

  it('refuses a line that is damaged before the last, and names it', async () => {
    await append(1, 2)
    writeFileSync(path, readFileSync(path, 'utf8').replace('"version":1', '"version":'))
    await expect(open()).rejects.toThrow(/^line 2 of .*journal.ndjson is damaged; restore the file from a backup$/)
  })

  it.each([
    'null',
    '1',
    '"text"',
    'true',
    '[]',
    '{"position":1}',
    '{"position":1,"event":null}',
    '{"schema":1}',
    JSON.stringify({ ...event(2), key: 7 }),
    JSON.stringify({ ...event(2), version: '2' }),
  ])('refuses the line %s, and names it', async line => {
    await append(1)
    appendFileSync(path, `${line}\n`)
    await expect(open()).rejects.toThrow(/^line 3 of .*journal.ndjson is damaged; restore the file from a backup$/)
  })

  it.each(['{"journal":99,"identities":[]}\n', '{}\n', 'null\n', '"journal"\n', '\n', ''])('refuses %j', async text => {
    writeFileSync(path, text)
    await expect(open()).rejects.toThrow(/is not a journal that this version can read/)
  })

  it('refuses events of a later release, and names the line', async () => {
    await open(journal => journal.append([JSON.stringify({ ...event(1), schema: 2 })]))
    await expect(open()).rejects.toThrow(/^line 2 of .*: the log has an event of schema 2; this release reads 1/)
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

  it.each(['new', 'compacted'])('removes a .%s that was half written when the machine ended', async suffix => {
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

  it('is read in pieces, wherever they end', async () => {
    const events = Array.from({ length: 5_000 }, (_, i) => ({ ...event(i + 1), reason: '日'.repeat(i % 1_000) }))
    await open(journal => journal.append(jsonOf(...events)))
    expect((await open()).events).toEqual(events)
  })

  long(
    'may be longer than a string can be',
    async () => {
      const line = JSON.stringify({ ...event(1), reason: 'x'.repeat(2 ** 20) })
      const lines = Array.from({ length: Math.ceil(constants.MAX_STRING_LENGTH / line.length) }, () => line)
      await open(journal => journal.replace(journal.header, lines))
      const journal = new Journal({ path, identities: IDENTITIES, logger: pino({ level: 'silent' }) })
      let count = 0
      for (const _ of journal.entries()) count++
      expect(count).toBe(lines.length)
    },
    60_000,
  )
})

describe('the compaction of the journal', () => {
  const keys = Array.from({ length: 100 }, (_, i) => `key-${i}`)
  const [A = '', B = ''] = keys.filter(key => configPartition(key) === 0)
  const [C = ''] = keys.filter(key => configPartition(key) === 1)

  it('leaves the last compacted event of each key, and every later one', async () => {
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
    // And once more, when what was left is superseded.
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

  it.each([1, 5_000])('loses none of %i events that are appended meanwhile', async count => {
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

  it('that fails leaves the journal as it was, and nothing else', async () => {
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

  it('gives way to a replacement', async () => {
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
    ['was removed', () => rmSync(path)],
    ['was cut', () => truncateSync(path, 10)],
    [
      'was replaced',
      () => {
        const bytes = readFileSync(path)
        rmSync(path)
        writeFileSync(path, bytes)
      },
    ],
  ])('takes no event when the file %s by somebody else', async (_, harm) => {
    await open(journal => {
      journal.append(jsonOf(event(1)))
      harm()
      expect(() => journal.append(jsonOf(event(2)))).toThrow(/journal\.ndjson was removed or changed by somebody else/)
    })
  })
})
