import { beforeEach, describe, expect, it } from '@jest/globals'
import type { Redis } from 'ioredis'
import { compactLog } from '../../../src/config-change/maintenance/compact.ts'
import { LogMovedOn, type MaintainedPartition } from '../../../src/config-change/maintenance/ports.ts'
import { rebuildPartition } from '../../../src/config-change/maintenance/rebuild.ts'
import { type Difference, verifyPartition } from '../../../src/config-change/maintenance/verify.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import type { ConfigKeys } from '../../../src/redis/keys.ts'
import type { TestApp } from '../../support/app.ts'
import { givenPartition } from './given-partition.ts'

const silent = { advanced: () => undefined }
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const PARTITION = configPartition('a')
const ofPartition = (prefix: string) =>
  Array.from({ length: 30 }, (_, i) => `${prefix}:${i}`).filter(key => configPartition(key) === PARTITION)
const KEPT = ofPartition('kept').slice(0, 3)
const LOST = ofPartition('lost').slice(0, 3)
const REGROWN = ofPartition('regrown').slice(0, 4)

const present = givenPartition(PARTITION)
let keys: ConfigKeys
let app: TestApp
let redis: Redis
let partition: MaintainedPartition
beforeEach(() => {
  ;({ keys, app, redis, partition } = present())
})

async function create(created: readonly string[], capacity = 1): Promise<void> {
  for (const key of created) expect([200, 201]).toContain((await app.client.put(key, policy(capacity))).status)
}

/** The log and what is derived from it. */
async function storedKeys(): Promise<string[]> {
  const { log, identity, compactedTo, snapshot, policies, names, ends } = keys
  return [log, identity, compactedTo, snapshot, policies, names, ends, ...(await redis.keys(keys.versions('*')))]
}

/** @returns a function that fails over to a replica, which has received nothing since this call */
async function replica(): Promise<() => Promise<void>> {
  const received = await Promise.all((await storedKeys()).map(async key => [key, await redis.dumpBuffer(key)] as const))
  return async () => {
    const failover = redis.multi().del(...(await storedKeys()))
    for (const [key, dump] of received) if (dump !== null) failover.restore(key, 0, dump)
    await failover.exec()
  }
}

/** Loses some changes, and makes others. */
type Failover = () => Promise<void>

async function givenFailover(regrown: readonly string[]): Promise<Failover> {
  await create(KEPT)
  const failOver = await replica()
  await create(LOST)
  return async () => {
    await failOver()
    await create(regrown)
  }
}

/** Fails over once, just before the call of a method. */
function failOverBefore<Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  failover: Failover,
): void {
  const method = (target[name] as (...args: unknown[]) => unknown).bind(target)
  const failOverFirst = async (...args: unknown[]) => {
    target[name] = method as Target[Name]
    await failover()
    return method(...args)
  }
  target[name] = failOverFirst as Target[Name]
}

async function verify(): Promise<Difference[]> {
  const differences: Difference[] = []
  for await (const difference of verifyPartition(partition, silent)) differences.push(difference)
  return differences
}

/** How the log grows after the loss. Three events are lost. */
const regrowths = [
  ['shorter', REGROWN.slice(0, 1)],
  ['as long as before', REGROWN.slice(0, 3)],
  ['longer', REGROWN],
] as const

describe.each(regrowths)('a failover loses the last events, and the log is %s', (_, regrown) => {
  const present = [...KEPT, ...regrown].sort()

  async function expectPresent(): Promise<void> {
    expect((await redis.hkeys(keys.policies)).sort()).toEqual(present)
    expect(await verify()).toEqual([])
  }

  it('a rebuild that wrote its draft begins again', async () => {
    const failover = await givenFailover(regrown)
    const begin = partition.projection.draft.bind(partition.projection)
    let draftCount = 0
    partition.projection.draft = () => {
      const draft = begin()
      if (draftCount++ > 0) return draft
      return {
        write: async policies => {
          await draft.write(policies)
          await failover()
        },
        use: (...args) => draft.use(...args),
      }
    }
    expect(await rebuildPartition(partition, silent)).toEqual({ repaired: [], faults: [] })
    await expectPresent()
    expect(draftCount).toBe(2)
  })

  it('a rebuild does not use a draft of lost events', async () => {
    const failover = await givenFailover(regrown)
    const begin = partition.projection.draft.bind(partition.projection)
    partition.projection.draft = () => {
      partition.projection.draft = begin
      const draft = begin()
      return {
        write: policies => draft.write(policies),
        use: async (...args) => {
          await failover()
          return draft.use(...args)
        },
      }
    }
    expect(await rebuildPartition(partition, silent)).toEqual({ repaired: [], faults: [] })
    await expectPresent()
  })

  it.each(['find', 'replaceVersions'] as const)('a rebuild that repairs indexes begins again before %s', async name => {
    const failover = await givenFailover(regrown)
    await redis.zadd(keys.versions('stranger'), 1, '1')
    failOverBefore(partition.projection, name, async () => {
      await failover()
      await redis.zadd(keys.versions('stranger'), 1, '1')
    })
    expect(await rebuildPartition(partition, silent)).toEqual({ repaired: [], faults: [] })
    await expectPresent()
  })

  it('verify ends with an error', async () => {
    const failover = await givenFailover(regrown)
    failOverBefore(partition.projection, 'find', failover)
    await redis.hset(keys.policies, 'stranger', '{}')
    await expect(verify()).rejects.toThrow(
      new LogMovedOn('the policy store lost the last events of the log while it was read'),
    )
    await expectPresent()
  })

  it.each(['oldest', 'fold'] as const)('a compaction moves no other events before %s', async name => {
    const failover = await givenFailover(regrown)
    failOverBefore(partition.log, name, failover)
    expect(await compactLog(partition.log, 1, silent)).toBe(present.length - 1)
    expect(await redis.xlen(keys.log)).toBe(1)
    await expectPresent()
  })
})

it('a replay does not miss versions whose compaction was lost', async () => {
  await create(KEPT)
  await create(KEPT, 2)
  const failOver = await replica()
  await compactLog(partition.log, 1, silent)
  failOverBefore(partition.projection, 'find', failOver)
  await redis.hset(keys.policies, 'stranger', '{}')
  await expect(verify()).rejects.toThrow('the policy store lost a compaction of the log while it was read')
  expect(await verify()).toEqual([])
})

it('an entry of the snapshot that the store returns twice counts once', async () => {
  await create([...KEPT, ...LOST])
  await compactLog(partition.log, 1, silent)
  const snapshot = partition.log.snapshot.bind(partition.log)
  partition.log.snapshot = async function* () {
    yield* snapshot()
    yield* snapshot()
  }
  expect(await verify()).toEqual([])
  expect(await rebuildPartition(partition, silent)).toEqual({ repaired: [], faults: [] })
  expect(await verify()).toEqual([])
})

it('a log that ends with an event that is not valid UTF-8 is compacted', async () => {
  await create(KEPT)
  await redis.xadd(keys.log, `${KEPT.length + 1}-0`, 'event', Buffer.from([0x7b, 0xff, 0xc3, 0x7d]))
  expect(await compactLog(partition.log, 1, silent)).toBe(KEPT.length)
})
