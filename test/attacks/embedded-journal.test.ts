import { randomUUID } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { commandId } from '../../src/domain/command-id.ts'
import type { PolicyEvent } from '../../src/domain/events.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { EmbeddedStore } from '../support/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { definitionOf } from '../support/policies.ts'
import { Service } from '../support/service.ts'

const KEYS = 300_000
const POLICY = { capacity: 1_000_000, refillTokens: 1 }
/** Several times the CPU time on an idle machine. */
const MOST_CPU_SECONDS = 30

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'throttler-journal-'))
  writeJournal()
})
afterEach(() => rmSync(dataDir, { recursive: true }))

const path = () => join(dataDir, 'journal.ndjson')

function writeJournal(): void {
  const fd = openSync(path(), 'w')
  const identities = Array.from({ length: 4 }, () => randomUUID())
  writeSync(fd, `${JSON.stringify({ journal: 2, identities, compactedTo: [0, 0, 0, 0] })}\n`)
  for (let i = 0; i < KEYS; i++) writeSync(fd, `${JSON.stringify(eventOf(`user:${i}`))}\n`)
  closeSync(fd)
}

function eventOf(key: string): PolicyEvent {
  const at = new Date().toISOString()
  const id = commandId(key, randomUUID())
  return { schema: 1, key, version: 1, type: 'created', at, actor: 'ops', commandId: id, policy: definitionOf() }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Checks one after another until stopped. Resolves with how long each took, in ms, sorted. */
function checkAlong(client: Client): { stop(): Promise<number[]> } {
  let isStopped = false
  const run = async () => {
    const times: number[] = []
    for (let i = 0; !isStopped; i++) {
      const start = performance.now()
      const { body } = await client.check(`caller-${i % 100}`)
      expect(body.source).toBe('redis')
      times.push(performance.now() - start)
      await sleep(1)
    }
    return times.sort((a, b) => a - b)
  }
  const done = run()
  return {
    stop: () => {
      isStopped = true
      return done
    },
  }
}

function report(what: string, times: readonly number[]): void {
  const at = (share: number) => times[Math.floor(times.length * share)]?.toFixed(1)
  say(`${what}: ${times.length} checks, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${times.at(-1)?.toFixed(1)} ms`)
}

describeLong('a journal of 300,000 events', () => {
  it('is replayed in linear time, with progress reports', async () => {
    const store = await EmbeddedStore.start({ dataDir })
    const [, , user = 0, system = 0] = /^\d+ \(.*\)( \S+){11} (\d+) (\d+)/.exec(statOf(store)) ?? []
    await store.kill()
    expect(store.said.at(-1)).toMatchObject({ msg: 'the journal was replayed', events: KEYS })
    const seconds = (Number(user) + Number(system)) / 100
    say(`replayed in ${store.said.at(-1)?.['ms']} ms, ${seconds} s of CPU`)
    expect(seconds).toBeLessThan(MOST_CPU_SECONDS)
  }, 600_000)

  it('is compacted while checks and changes continue', async () => {
    // On a busy machine, a check may wait for longer than the default timeout.
    const env = {
      DATA_DIR: dataDir,
      TMPDIR: dataDir,
      WEB_CONCURRENCY: '1',
      CONFIG_LOG_KEEP: '100',
      REDIS_TIMEOUT_MS: '1000',
    }
    const service = await Service.start({ env })
    const client = new Client(service.url)
    await eventually(async () => expect((await client.check('user:1')).body.policy).toBe('user:1'), 60_000)
    const applied: string[] = []
    let isCompacted = false
    const compacted = service.says(/the journal was compacted/).then(() => {
      isCompacted = true
    })
    const checks = checkAlong(client)
    while (!isCompacted) {
      const key = `changed-${applied.length}`
      if ((await client.put(key, POLICY)).status === 201) applied.push(key)
    }
    await compacted
    report('until the journal was compacted', await checks.stop())
    const quiet = checkAlong(client)
    await sleep(5_000)
    report('afterwards', await quiet.stop())
    expect(service.output.filter(line => /circuit|connection .*lost/.test(line))).toEqual([])
    await service.stop('SIGKILL')

    const journal = readFileSync(path(), 'utf8')
    expect(applied.filter(key => !journal.includes(`"key":"${key}"`))).toEqual([])
    const store = await EmbeddedStore.start({ dataDir })
    expect(store.said.at(-1)).toMatchObject({ msg: 'the journal was replayed' })
    await store.kill()
  }, 600_000)
})

function statOf({ process: { pid } }: EmbeddedStore): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
}
