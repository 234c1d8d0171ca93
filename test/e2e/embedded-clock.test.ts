import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Redis } from 'ioredis'
import { decideByBucket } from '../../src/domain/decision.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { ConnectionName } from '../../src/redis/connection/connection-names.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { EmbeddedStore } from '../support/embedded-store.ts'
import { isOnPath } from '../support/on-path.ts'
import { limitOf, policyOf } from '../support/policies.ts'
import { ShiftedClock } from '../support/shifted-clock.ts'
import { StoreChanges } from '../support/store-changes.ts'

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS
const CAPACITY = 5
const policy = policyOf('limited', {
  limits: [limitOf({ capacity: CAPACITY, refillTokens: 1, refillIntervalMs: 2_678_400_000 })],
})

/** The shifts of the clock in ms, one after another, and how many of two checks, and of five after each shift, are allowed. */
const JUMPS: [what: string, shifts: readonly number[], admitted: number][] = [
  ['back by seconds', [-5_000], CAPACITY],
  ['back by ten years', [-10 * YEAR_MS], CAPACITY],
  ['forward by an hour and back', [HOUR_MS, 0], CAPACITY],
  ['forward by ten years, in which the bucket refills, and back', [10 * YEAR_MS, 0], 2 + CAPACITY],
]

const describeWithCc = isOnPath('cc') ? describe : describe.skip

describeWithCc('the embedded store, when its clock jumps (needs cc)', () => {
  let clock: ShiftedClock
  let dataDir: string
  let store: EmbeddedStore
  let redis: Redis
  const start = async () => {
    store = await EmbeddedStore.start({ dataDir, env: clock.env })
    redis = store.connect({ connectionName: ConnectionName.worker })
  }
  const stop = async () => {
    redis.disconnect()
    await store.kill()
  }
  beforeEach(async () => {
    clock = new ShiftedClock()
    dataDir = mkdtempSync(join(tmpdir(), 'throttler-clock-data-'))
    await start()
  })
  afterEach(async () => {
    await stop()
    rmSync(dataDir, { recursive: true })
    clock.remove()
  })

  /** How many of this many checks of one token are allowed. */
  async function admittedOf(count: number): Promise<number> {
    const buckets = new RedisBucketStore(redis, new BucketKeys('throttler'), {
      malformedBucket: key => expect(key).toBe('well-formed'),
      damagedReservation: damage => expect(damage).toBe('none'),
      expired: () => undefined,
      clocksDiffered: () => expect('the clocks').toBe('equal'),
    })
    const checks = Array.from({ length: count }, () => ({ key: 'limited', policy, tokens: 1 }))
    const readings = await buckets.check(checks)
    return checks.filter((asked, i) => {
      const reading = readings[i]
      return reading !== undefined && decideByBucket(asked, reading, 'redis').allowed
    }).length
  }

  /** The versions of the events in the journal, in its order. */
  function versionsInJournal(): number[] {
    const [, ...events] = readFileSync(join(dataDir, 'journal.ndjson'), 'utf8').trimEnd().split('\n')
    return events.map(event => JSON.parse(event).version)
  }

  it.each(JUMPS)(
    '%s, gives no token twice, applies changes in order, and can be restarted',
    async (_, shifts, expected) => {
      await new StoreChanges(redis).change('changed')
      let admitted = await admittedOf(2)
      for (const shift of shifts) {
        clock.shiftTo(shift)
        admitted += await admittedOf(CAPACITY)
        await new StoreChanges(redis).change('changed')
      }
      expect(admitted).toBe(expected)

      await stop()
      await start()
      await new StoreChanges(redis).change('changed')
      expect(versionsInJournal()).toEqual(Array.from({ length: shifts.length + 2 }, (_, i) => i + 1))
    },
  )
})
