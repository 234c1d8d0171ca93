import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import { CheckLoad } from '../support/check-load.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { eventually } from '../support/eventually.ts'
import { isAlive } from '../support/processes.ts'
import { samplesIn } from '../support/prometheus.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { endOf, faultsOf } from '../support/stops.ts'

const ROUNDS = 12
const PROCESSES = 3
const CHECKS_PER_SECOND = 200
/** Longer than the ten seconds after which a process counts as hung, at times. */
const LONGEST_FREEZE_MS = 14_000

describeLong('front processes that freeze at random under load, while others are replaced', () => {
  it('are there again afterwards, and the service stops in order', async () => {
    const redis = await RedisServer.start()
    const env = { REDIS_URL: redis.url, WEB_CONCURRENCY: String(PROCESSES) }
    const service = await Service.start({ kind: 'api', env })
    try {
      const client = new Client(service.url)
      const load = new CheckLoad({
        urls: [service.url],
        ratePerSecond: CHECKS_PER_SECOND,
        keyOf: i => `key-${i % 100}`,
      })
      for (let round = 0; round < ROUNDS; round++) await freezeOne(service)
      await load.runsFor(1_000)
      await eventually(async () => {
        const { text } = await client.request('GET', '/metrics', undefined, { connection: 'close' })
        expect(samplesIn(text).get('throttler_front_processes')).toBe(PROCESSES)
        expect(service.pidsOf('throttler front')).toHaveLength(PROCESSES)
      }, 30_000)
      const samples = await load.stop()
      const after = Array.from({ length: 50 }, (_, i) =>
        client.request('POST', '/check', { key: `after-${i}` }, { connection: 'close' }),
      )
      expect(new Set((await Promise.all(after)).map(({ status }) => status))).toEqual(new Set([200]))
      const failed = samples.filter(({ status }) => status === 0).length
      process.stderr.write(`${samples.length} checks, ${failed} of them lost with a process that froze\n`)
      expect(faultsOf(await endOf(service))).toEqual([])
    } finally {
      await service.stop()
      await redis.stop()
    }
  }, 600_000)
})

/** Freezes a process for a while, in which all are told to be replaced. */
async function freezeOne(service: Service): Promise<void> {
  const fronts = service.pidsOf('throttler front')
  const victim = fronts[Math.floor(Math.random() * fronts.length)] ?? 0
  if (!isAlive(victim)) return
  process.kill(victim, 'SIGSTOP')
  await sleep(Math.random() * 1_000)
  service.process.kill('SIGHUP')
  await sleep(Math.random() * LONGEST_FREEZE_MS)
  if (isAlive(victim)) process.kill(victim, 'SIGCONT')
}
