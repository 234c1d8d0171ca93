import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { runs } from '../../support/property-runs.ts'
import { given } from './given-store.ts'

const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
/** Each size of pages once, or three times. */
const { numRuns: LISTS } = runs(7, 21)
const KEPT = Array.from({ length: 40 }, (_, i) => `kept:${String(i).padStart(2, '0')}`)

const store = given()
let keyPrefix: string
let app: TestApp
beforeEach(async () => {
  keyPrefix = `t-${randomUUID()}`
  app = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix } })
  await Promise.all(KEPT.map(key => app.client.put(key, policy(1))))
  // A change that takes long is answered before it is applied.
  await eventually(async () => expect(await listed(100)).toEqual(KEPT))
})
afterEach(() => app.close())

async function listed(limit: number): Promise<string[]> {
  const keys: string[] = []
  for (let cursor = ''; ; ) {
    const { body } = await app.client.get(`/config?limit=${limit}${cursor}`)
    keys.push(...body.items.map(({ key }: { key: string }) => key))
    if (body.nextCursor === undefined) return keys
    cursor = `&cursor=${encodeURIComponent(body.nextCursor)}`
  }
}

describe('a list that is read while policies change', () => {
  it('has each policy that does not change exactly once, in order', async () => {
    let isOver = false
    const churn = Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        for (let n = 0; !isOver; n++) {
          const key = `kept:${String((i * 5 + n) % 40).padStart(2, '0')}-passing`
          await app.client.put(key, policy(n + 1))
          await app.client.delete(key)
        }
      }),
    )
    try {
      for (let i = 0; i < LISTS; i++) {
        const keys = await listed(1 + (i % 7))
        expect(keys.filter(key => !key.endsWith('-passing'))).toEqual(KEPT)
        expect(new Set(keys).size).toBe(keys.length)
      }
    } finally {
      isOver = true
      await churn
    }
  })

  it('continues after a policy that is deleted meanwhile', async () => {
    const redis = new Redis(store().url)
    for (const key of KEPT.slice(3, 9)) {
      // As if it were deleted after its name was read and before its policy is read.
      await redis.hdel(new ConfigKeys(keyPrefix, configPartition(key)).policies, key)
    }
    expect(await listed(2)).toEqual([...KEPT.slice(0, 3), ...KEPT.slice(9)])
    redis.disconnect()
  })
})
