import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { run } from '../support/client-package.ts'
import { describeLongWithGo } from '../support/describe-with-go.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { RecordedHistory, storePolicies } from '../support/recorded-history.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const CHECKER = fileURLToPath(new URL('./linearizability', import.meta.url))
const HISTORIES = 150
const CALLERS = 6
const CALLS_OF_EACH = 12
const KILL_EVERY_MS = 3_000
/** Of the histories, this share may take the checker too long: each lost answer doubles what could have happened. */
const MOST_UNDECIDED = 0.05

describeLongWithGo('reservations, settlements and checks of several callers', () => {
  let redis: RedisServer
  let service: Service
  let directory: string
  beforeAll(async () => {
    redis = await RedisServer.start()
    service = await Service.start({ env: { REDIS_URL: redis.url, WEB_CONCURRENCY: '4' } })
    directory = await mkdtemp(join(tmpdir(), 'throttler-linearizability-'))
    await run(CHECKER, 'go', ['build', '-o', join(directory, 'check'), '.'])
    const client = new Client(service.url)
    await storePolicies(client)
    await obeyedByAll([client], 'history-2:', 'history-2:*')
  }, 300_000)
  afterAll(async () => {
    await service.stop()
    await redis.stop()
    await rm(directory, { recursive: true })
  })

  /** What the checker says about each history. */
  async function verdictsOn(histories: readonly string[]): Promise<readonly string[]> {
    const checker = spawn(join(directory, 'check'), { stdio: ['pipe', 'pipe', 'inherit'] })
    for (const history of histories) checker.stdin.write(`${history}\n`)
    checker.stdin.end()
    const [output] = await Promise.all([text(checker.stdout), once(checker, 'exit')])
    return output.trim().split('\n')
  }

  async function record(kind: string, count: number): Promise<readonly RecordedHistory[]> {
    const histories: RecordedHistory[] = []
    for (let i = 0; i < count; i++) {
      // Each caller has a connection of its own, so that they reach several processes.
      const clients = Array.from({ length: CALLERS }, () => new Client(service.url))
      const history = new RecordedHistory(`${kind}-${i}`, caller => clients[caller] as Client, Math.random)
      histories.push(await history.record(CALLERS, CALLS_OF_EACH))
    }
    return histories
  }

  async function expectLinearizable(histories: readonly RecordedHistory[]): Promise<void> {
    const sum = (count: (history: RecordedHistory) => number) => histories.reduce((sum, one) => sum + count(one), 0)
    const [calls, unknown] = [sum(({ length }) => length), sum(history => history.unknown)]
    process.stderr.write(`${histories.length} histories of ${calls} calls, of which ${unknown} had no answer\n`)
    const texts = histories.map(history => history.toJson())
    const verdicts = await verdictsOn(texts)
    const undecided = verdicts.filter(verdict => verdict === 'Unknown').length
    const wrong = texts.filter((_, i) => verdicts[i] === 'Illegal')
    expect([verdicts.length, wrong]).toEqual([histories.length, []])
    expect(undecided).toBeLessThanOrEqual(MOST_UNDECIDED * histories.length)
  }

  it('are judged by a checker that finds one wrong answer', async () => {
    const [history] = await record('wrong', 1)
    const { operations, ...limits } = JSON.parse(history?.toJson() ?? '')
    const wrong = operations.map((operation: { kind: string; remaining: number[] }) => ({
      ...operation,
      remaining: operation.kind === 'all' ? operation.remaining.map(left => left + 1) : operation.remaining,
    }))
    const texts = [operations, wrong].map(operations => JSON.stringify({ ...limits, operations }))
    expect(await verdictsOn(texts)).toEqual(['Ok', 'Illegal'])
  })

  it('have the results of one order of calls, each at one moment between its beginning and its end', async () => {
    await expectLinearizable(await record('calm', HISTORIES))
  }, 300_000)

  it('also while front processes are killed', async () => {
    let isOver = false
    const killing = (async () => {
      while (!isOver) {
        await sleep(KILL_EVERY_MS)
        for (const pid of service.pidsOf('throttler front').slice(0, 1)) process.kill(pid, 'SIGKILL')
      }
    })()
    const histories = await record('killed', HISTORIES)
    isOver = true
    await killing
    await expectLinearizable(histories)
  }, 300_000)
})
