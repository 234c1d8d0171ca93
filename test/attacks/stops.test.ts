import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { descendantsOf } from '../support/processes.ts'
import { describeLong } from '../support/describe-long.ts'
import { definitionOf } from '../support/policies.ts'
import { hasRedisServer, RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { endOf, expectCleanEnd, handlesSignals } from '../support/stops.ts'

const STOPS = 100
const TIMEOUT_MS = 15 * 60_000
/** A start takes about a second; some stops come after it. */
const LATEST_MS = 1_800
const EVENTS = 60_000

interface Attack {
  readonly kind: 'all' | 'api'
  readonly env?: Readonly<Record<string, string>>
  /** What happens between the spawn and the stop. */
  meanwhile?(service: Service): Promise<void>
  readonly signal?: NodeJS.Signals
}

/** Starts the service and stops it at a random moment. */
async function attack({ kind, env = {}, meanwhile, signal }: Attack): Promise<void> {
  const service = await Service.spawn({ kind, env })
  try {
    await handlesSignals(service)
    await meanwhile?.(service)
    await sleep(Math.random() * LATEST_MS)
    expectCleanEnd(await endOf(service, signal))
  } finally {
    await service.stop()
  }
}

async function attackOften(times: number, given: () => Attack): Promise<void> {
  for (let i = 0; i < times; i++) await attack(given())
}

describeLong('stops at random moments', () => {
  let redis: RedisServer
  beforeAll(async () => {
    if (!hasRedisServer) throw new Error('these attacks need redis-server')
    redis = await RedisServer.start()
  })
  afterAll(() => redis.stop())

  describe('of a start', () => {
    it(
      'of everything, with the embedded store',
      () => attackOften(STOPS, () => ({ kind: 'all', signal: 'SIGINT' })),
      TIMEOUT_MS,
    )

    it(
      'of the front, with Redis',
      () => attackOften(STOPS, () => ({ kind: 'api', env: { REDIS_URL: redis.url } })),
      TIMEOUT_MS,
    )

    it(
      'of everything, while Redis hangs',
      async () => {
        redis.signal('SIGSTOP')
        try {
          await attackOften(STOPS / 5, () => ({ kind: 'all', env: { REDIS_URL: redis.url } }))
        } finally {
          redis.signal('SIGCONT')
        }
      },
      TIMEOUT_MS,
    )

    it(
      'of everything, while the embedded store reads its journal',
      () => attackOften(STOPS / 5, () => ({ kind: 'all', meanwhile: ({ dataDir }) => fillJournal(dataDir) })),
      TIMEOUT_MS,
    )

    it(
      'of everything, with two signals to every process at once',
      () =>
        attackOften(STOPS / 5, () => ({
          kind: 'all',
          meanwhile: async service => {
            await sleep(Math.random() * LATEST_MS)
            for (const { pid } of descendantsOf(service.process.pid ?? 0)) process.kill(pid, 'SIGINT')
            service.process.kill('SIGINT')
          },
        })),
      TIMEOUT_MS,
    )
  })

  it(
    'of a hundred replacements at once',
    async () => {
      for (let i = 0; i < STOPS; i++) {
        const service = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url } })
        try {
          for (let signals = 0; signals < 100; signals++) service.process.kill('SIGHUP')
          await sleep(Math.random() * LATEST_MS)
          expectCleanEnd(await endOf(service))
        } finally {
          await service.stop()
        }
      }
    },
    TIMEOUT_MS,
  )
})

/** What the embedded store is busy with for seconds. */
async function fillJournal(dataDir: string): Promise<void> {
  const header = { journal: 2, identities: ['a', 'b', 'c', 'd'], compactedTo: [0, 0, 0, 0] }
  const common = { schema: 1, key: 'k', type: 'changed', at: '2026-01-31T12:00:00.000Z', actor: 'ops', commandId: 'c' }
  const events = Array.from({ length: EVENTS }, (_, i) => ({ ...common, version: i + 1, policy: definitionOf() }))
  const lines = [header, ...events].map(line => `${JSON.stringify(line)}\n`)
  await writeFile(join(dataDir, 'journal.ndjson'), lines.join(''))
}
