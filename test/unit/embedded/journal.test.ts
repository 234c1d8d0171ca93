import { constants } from 'node:buffer'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import type { PolicyEvent } from '../../../src/domain/events.ts'
import { Journal } from '../../../src/embedded/journal.ts'
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

/** Opens it, lets it be used, and closes it. */
function open(use: (journal: Journal) => void = () => undefined) {
  const logger = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) })
  const { journal, content } = Journal.open(path, IDENTITIES, logger)
  use(journal)
  journal.close()
  return content
}

function event(version: number, key = 'ü/日本'): PolicyEvent {
  const at = '2025-10-09T08:00:00.000Z'
  const policy = definitionOf({ description: `version ${version}` })
  return { schema: 1, key, version, type: 'changed', at, actor: 'ops', commandId: `2-${version}`, policy }
}

const append = (...versions: number[]) => open(journal => journal.append(versions.map(v => JSON.stringify(event(v)))))

describe('the journal', () => {
  it('holds what was written, in order', () => {
    append(1, 2)
    append(3)
    expect(open()).toEqual({
      identities: IDENTITIES,
      compactedTo: [0, 0, 0, 0],
      snapshot: [],
      events: [1, 2, 3].map(version => event(version)),
    })
    expect(said).toEqual([])
  })

  it('cuts off a last line that is torn, wherever, says so, and goes on behind it', () => {
    append(1)
    const whole = readFileSync(path).length
    append(2)
    const end = readFileSync(path).length
    for (let cut = whole + 1; cut < end; cut++) {
      said = []
      truncateSync(path, cut)
      expect(open().events).toEqual([event(1)])
      expect(said).toEqual([expect.stringContaining('the last line of the journal is torn')])
      expect(readFileSync(path)).toHaveLength(whole)
      append(2)
      expect(open().events).toEqual([event(1), event(2)])
      expect(said).toHaveLength(1)
    }
  })

  it('refuses a line that is damaged before the last, and names it', () => {
    append(1, 2)
    writeFileSync(path, readFileSync(path, 'utf8').replace('"version":1', '"version":'))
    expect(() => open()).toThrow(/^line 2 of .*journal.ndjson is damaged; restore the file from a backup$/)
  })

  it.each(['{"journal":99,"identities":[]}\n', '{}\n', 'null\n', '"journal"\n'])('refuses %j', text => {
    writeFileSync(path, text)
    expect(() => open()).toThrow(/is not a journal that this version can read/)
  })

  it('refuses events of a later release', () => {
    open(journal => journal.append([JSON.stringify({ ...event(1), schema: 2 })]))
    expect(() => open()).toThrow(/an event of schema 2; this release reads 1/)
  })

  it('can be replaced by a shorter one, and goes on', () => {
    append(1, 2, 3)
    const kept = { position: 2, event: event(2) }
    open(journal => {
      journal.replace(['e', 'f', 'g', 'h'], [0, 2, 0, 0], [JSON.stringify(kept)], [JSON.stringify(event(3))])
      journal.append([JSON.stringify(event(4))])
    })
    expect(open()).toEqual({
      identities: ['e', 'f', 'g', 'h'],
      compactedTo: [0, 2, 0, 0],
      snapshot: [kept],
      events: [event(3), event(4)],
    })
  })

  it('takes no notice of one that was half written when the machine ended', () => {
    append(1)
    writeFileSync(`${path}.new`, '{"journal":2,"identi')
    expect(open().events).toEqual([event(1)])
    rmSync(path)
    expect(open().events).toEqual([])
  })

  it('of format 1 is still read', () => {
    copyFileSync(FORMAT_1, path)
    const { identities, compactedTo, snapshot, events } = open()
    expect([identities.length, compactedTo, snapshot]).toEqual([4, [0, 0, 0, 0], []])
    expect(events.map(({ key, version, type }) => [key, version, type])).toEqual([
      ['user:*', 1, 'created'],
      ['user:*', 2, 'changed'],
      ['search', 1, 'created'],
      ['search', 2, 'deleted'],
    ])
  })

  long(
    'may be longer than a string can be',
    () => {
      const line = JSON.stringify({ ...event(1), reason: 'x'.repeat(2 ** 20) })
      const lines = Array.from({ length: Math.ceil(constants.MAX_STRING_LENGTH / line.length) }, () => line)
      open(journal => journal.replace(IDENTITIES, [0, 0, 0, 0], [], lines))
      expect(open().events).toHaveLength(lines.length)
    },
    60_000,
  )
})
