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
const LOAD_MS = 3_000

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'throttler-quotas-'))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

/** A store in which every bucket has a quota. */
function fakeStore() {
  const changed: string[] = []
  const commands = {
    send: (): Reply[] => [],
    call: (name: string | number = '', _script?: unknown, count?: unknown): Reply =>
      name === 'EVAL' ? Array.from({ length: Number(count) }, () => ['01', Date.now() + 1e9]).flat() : 'OK',
  }
  const tracking = {
    call: (): Reply => 1,
    takePushed: (): Reply[] => (changed.length === 0 ? [] : [['message', '__redis__:invalidate', changed.splice(0)]]),
  }
  return { changed, connections: { commands, tracking } }
}

function busyFor(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

it('what changed more than a second ago is on disk, however busy the process is', async () => {
  const { changed, connections } = fakeStore()
  const counts = new QuotaCounts(connections, {
    dataDir,
    directory: { isHeld: true },
    keyPrefix: 'throttler',
    logger: pino({ enabled: false }),
  })
  counts.appended(['{"name":"daily","kind":"quota"}'])
  const changedAt: number[] = []
  for (const end = performance.now() + LOAD_MS; performance.now() < end; await nextTurn()) {
    for (let i = 0; i < KEYS_PER_TURN; i++) changed.push(`key-${changedAt.push(performance.now()) - 1}`)
    busyFor(TURN_MS)
  }
  const written = new Set(readFileSync(join(dataDir, 'quotas.ndjson'), 'utf8').split('\n').filter(Boolean).map(keyOf))
  const killedAt = performance.now()
  const lost = changedAt.filter((at, i) => at < killedAt - 1_000 && !written.has(`key-${i}`))
  await counts.close()
  expect(lost).toHaveLength(0)
}, 20_000)

function keyOf(line: string): string {
  return JSON.parse(line).key
}
