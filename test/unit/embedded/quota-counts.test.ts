import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
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

/** A store in which every bucket has a quota. */
function fakeStore() {
  const changed: string[] = []
  const commands = {
    send: (): Reply[] => [],
    call: (name: string | number = '', _script?: unknown, count?: unknown): Reply => {
      if (name === 'SCAN') return ['0', []]
      return name === 'EVAL' ? Array.from({ length: Number(count) }, () => ['01', Date.now() + 1e9]).flat() : 'OK'
    },
  }
  const tracking = {
    call: (): Reply => 1,
    takePushed: (): Reply[] => (changed.length === 0 ? [] : [['message', '__redis__:invalidate', changed.splice(0)]]),
  }
  return { changed, connections: { commands, tracking } }
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

it('what changed more than a second ago is on disk, however busy the process is', async () => {
  const { changed, connections } = fakeStore()
  counts = await QuotaCounts.open(connections, {
    dataDir,
    directory: { isHeld: true },
    keyPrefix: 'throttler',
    logger: pino({ enabled: false }),
  })
  counts.keep()
  const turns = new BusyTurns()
  while (turns.ms < LOAD_MS) await turns.take(changed)
  const written = new Set(readFileSync(join(dataDir, 'quotas.ndjson'), 'utf8').split('\n').filter(Boolean).map(keyOf))
  const lost = turns.changedAtMs.filter((ms, i) => ms < turns.ms - 1_000 && !written.has(`key-${i}`))
  expect(lost).toHaveLength(0)
})

function keyOf(line: string): string {
  return JSON.parse(line).key
}
