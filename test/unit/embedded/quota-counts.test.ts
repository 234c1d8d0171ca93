import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import pino from 'pino'
import type { Reply } from '../../../src/embedded/in-process-connection.ts'
import { QuotaCounts } from '../../../src/embedded/quota-counts.ts'

const TURN_MS = 20
const KEYS_PER_TURN = 400
const LOAD_MS = 2_000

let dataDir: string
let counts: QuotaCounts
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'throttler-quotas-'))
})
afterEach(async () => {
  await counts.close()
  rmSync(dataDir, { recursive: true, force: true })
})

/** A store in which every bucket has a quota. A search finds one in each piece. */
function fakeStore({ pieces = 0 } = {}) {
  const changed: string[] = []
  const commands = {
    send: (): Reply[] => [],
    call: (name: string | number = '', scriptOrCursor?: unknown, count?: unknown): Reply => {
      if (name === 'SCAN') return pieceAt(Number(scriptOrCursor), pieces)
      return name === 'EVAL' ? Array.from({ length: Number(count) }, () => ['01', Date.now() + 1e9]).flat() : 'OK'
    },
  }
  const tracking = {
    call: (): Reply => 1,
    takePushed: (): Reply[] => (changed.length === 0 ? [] : [['message', '__redis__:invalidate', changed.splice(0)]]),
  }
  return { changed, connections: { commands, tracking } }
}

function pieceAt(cursor: number, pieces: number): Reply {
  if (pieces === 0) return ['0', []]
  const next = cursor + 1
  return [next < pieces ? String(next) : '0', [`key-${cursor}`]]
}

/** Turns of the event loop that are busy, with what changes in them, and the time that they have taken. */
class BusyTurns {
  /**
   * A turn counts for as long as it is meant to take, also if the machine is too slow or stands still: nothing can be written in less
   * than so many turns.
   */
  ms = 0
  readonly changedAtMs: number[] = []

  async take(changed: string[]): Promise<void> {
    const endMs = performance.now() + TURN_MS
    for (let i = 0; i < KEYS_PER_TURN; i++) changed.push(`key-${this.changedAtMs.push(this.ms) - 1}`)
    while (performance.now() < endMs);
    await nextTurn()
    this.ms += TURN_MS
  }
}

const logged: string[] = []
const LOCKED = { isHeld: true, requireHeld: () => undefined }
const LOST = {
  isHeld: false,
  requireHeld: () => {
    throw new Error('the lock was lost')
  },
}
const open = async (connections: ReturnType<typeof fakeStore>['connections'], directory = LOCKED) => {
  logged.length = 0
  counts = await QuotaCounts.open(connections, {
    dataDir,
    directory,
    keyPrefix: 'throttler',
    logger: pino({ base: null, timestamp: false }, { write: line => logged.push(JSON.parse(line).msg) }),
  })
}
const writtenKeys = () =>
  new Set(readFileSync(join(dataDir, 'quotas.ndjson'), 'utf8').split('\n').filter(Boolean).map(keyOf))

it('what changed more than a second ago is on disk, however busy the process is', async () => {
  const { changed, connections } = fakeStore()
  await open(connections)
  counts.keep()
  const turns = new BusyTurns()
  while (turns.ms < LOAD_MS) await turns.take(changed)
  const written = writtenKeys()
  const lost = turns.changedAtMs.filter((ms, i) => ms < turns.ms - 1_000 && !written.has(`key-${i}`))
  expect(lost).toHaveLength(0)
})

it('a stop waits for a search for counts that soon ends', async () => {
  const pieces = 100
  await open(fakeStore({ pieces }).connections)
  counts.keep()
  await counts.close()
  expect(writtenKeys().size).toBe(pieces)
  expect(logged).toEqual([])
})

it('a stop gives up a search for counts that takes long, writes what was found, and says so', async () => {
  await open(fakeStore({ pieces: Number.POSITIVE_INFINITY }).connections)
  counts.keep()
  await counts.close()
  expect(writtenKeys()).toContain('key-0')
  expect(logged).toEqual([expect.stringContaining('the search for counts of quotas was given up')])
})

it('without the lock of the directory, nothing is written, and the log says so', async () => {
  await open(fakeStore({ pieces: 1 }).connections, LOST)
  counts.keep()
  await counts.close()
  expect(existsSync(join(dataDir, 'quotas.ndjson'))).toBe(false)
  expect(logged).toEqual(['counts of quotas cannot be written: a restart would forget them'])
})

it.each([
  ['damaged', '{}\n', 'quotas.ndjson is damaged from this line on: damaged lines are left out'],
  ['incomplete', '\0'.repeat(300), 'the last line of quotas.ndjson is incomplete and is left out'],
  [
    'of no bucket',
    `${JSON.stringify({ key: '{throttler:config-2}:policies', value: '01', expiresAt: 8e15 })}\n`,
    'quotas.ndjson is damaged from this line on: damaged lines are left out',
  ],
])('the log names what is left out because it is %s', async (_, text, message) => {
  writeFileSync(join(dataDir, 'quotas.ndjson'), text)
  await open(fakeStore().connections)
  expect(logged).toEqual([message])
})

function keyOf(line: string): string {
  return JSON.parse(line).key
}
