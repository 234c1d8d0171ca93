import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { exchange } from '../integration/http/raw-http.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { writeLongJournal } from '../support/long-journal.ts'
import { descendantsOf } from '../support/processes.ts'
import { hasRedisServer, RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { type EndOfService, endOf, faultsOf, handlesSignals } from '../support/stops.ts'

const STOPS = 100
const STOPS_WITH_CLIENTS = 20
const TIMEOUT_MS = 15 * 60_000
/** A start takes about a second; some stops come after it. */
const LATEST_MS = 1_800
const EVENTS = 60_000
const REQUEST = 'GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'

interface Attack {
  readonly kind: 'all' | 'api'
  readonly env?: Readonly<Record<string, string>>
  readonly latestMs?: number
  /** Sends the signal, and resolves with how the service ended. */
  stop?(service: Service): Promise<EndOfService>
}

/** Starts the service and stops it at a random moment. */
async function attack({ kind, env = {}, latestMs = LATEST_MS, stop = endOf }: Attack): Promise<EndOfService> {
  const service = await Service.spawn({ kind, env })
  try {
    await handlesSignals(service)
    await sleep(Math.random() * latestMs)
    return await stop(service)
  } finally {
    await service.stop()
  }
}

/** Sends a request on each of many new connections until one is refused. Resolves with the failures of the others. */
async function askUntilRefused(url: string): Promise<unknown[]> {
  const failures: unknown[] = []
  for (;;) {
    try {
      const answer = await exchange(Number(new URL(url).port), REQUEST)
      if (!answer.startsWith('HTTP/1.1 ')) failures.push(answer)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'ECONNREFUSED') return failures
      failures.push(err)
    }
    await sleep(Math.random() * 60)
  }
}

async function attackOften(times: number, given: Attack): Promise<void> {
  const ends: EndOfService[] = []
  for (let i = 0; i < times; i++) ends.push(await attack(given))
  expectCleanEnds(ends)
}

function expectCleanEnds(ends: readonly EndOfService[]): void {
  const longest = Math.max(...ends.map(({ tookMs }) => tookMs))
  process.stderr.write(`${ends.length} stops, the longest took ${Math.round(longest)} ms\n`)
  expect(ends.flatMap(faultsOf)).toEqual([])
}

describeLong('a stop at a random moment', () => {
  let redis: RedisServer
  beforeAll(async () => {
    if (!hasRedisServer) throw new Error('these attacks need redis-server')
    redis = await RedisServer.start()
  })
  afterAll(() => redis.stop())

  describe('of a start', () => {
    it(
      'of the whole service with the embedded store ends every process in time',
      () => attackOften(STOPS, { kind: 'all' }),
      TIMEOUT_MS,
    )

    it(
      'of the front processes with Redis ends every process in time',
      () => attackOften(STOPS, { kind: 'api', env: { REDIS_URL: redis.url } }),
      TIMEOUT_MS,
    )

    it(
      'of the whole service ends every process in time while Redis hangs',
      async () => {
        redis.signal('SIGSTOP')
        try {
          await attackOften(STOPS / 5, { kind: 'all', env: { REDIS_URL: redis.url }, latestMs: 3 * LATEST_MS })
        } finally {
          redis.signal('SIGCONT')
        }
      },
      TIMEOUT_MS,
    )

    it(
      'of the whole service ends every process in time while the embedded store replays its journal',
      async () => {
        const dataDir = await mkdtemp(join(tmpdir(), 'throttler-stops-'))
        await writeLongJournal(dataDir, EVENTS)
        await attackOften(STOPS / 5, { kind: 'all', env: { DATA_DIR: dataDir } })
        const service = await Service.start({ env: { DATA_DIR: dataDir } })
        try {
          expect((await new Client(service.url).get('/config/k')).body.version).toBe(EVENTS)
        } finally {
          await service.stop()
          await rm(dataDir, { recursive: true })
        }
      },
      TIMEOUT_MS,
    )

    it(
      'of the whole service by a terminal, which signals every process at once, ends every process in time',
      () =>
        attackOften(STOPS / 5, {
          kind: 'all',
          stop: service => {
            for (const { pid } of descendantsOf(service.process.pid ?? 0)) process.kill(pid, 'SIGINT')
            return endOf(service, 'SIGINT')
          },
        }),
      TIMEOUT_MS,
    )
  })

  it(
    'loses hardly any request of ten clients that open a connection for each',
    async () => {
      const failures: unknown[] = []
      for (let i = 0; i < STOPS_WITH_CLIENTS; i++) {
        const service = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url } })
        const clients = Array.from({ length: 10 }, () => askUntilRefused(service.url))
        try {
          await sleep(LATEST_MS * Math.random())
          expect(faultsOf(await endOf(service))).toEqual([])
          failures.push(...(await Promise.all(clients)).flat())
        } finally {
          await service.stop()
        }
      }
      // The kernel may accept one in the very moment in which the address is closed.
      expect(failures.length).toBeLessThan(STOPS_WITH_CLIENTS / 4)
    },
    TIMEOUT_MS,
  )

  it(
    'during a hundred replacements ends every process in time',
    async () => {
      const ends: EndOfService[] = []
      for (let i = 0; i < STOPS; i++) {
        const service = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url } })
        try {
          for (let signals = 0; signals < 100; signals++) service.process.kill('SIGHUP')
          await sleep(Math.random() * LATEST_MS)
          ends.push(await endOf(service))
        } finally {
          await service.stop()
        }
      }
      expectCleanEnds(ends)
    },
    TIMEOUT_MS,
  )
})
