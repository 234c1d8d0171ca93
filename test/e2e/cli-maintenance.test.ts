import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../src/domain/partition.ts'
import { ConfigKeys } from '../../src/redis/keys.ts'
import { objectsIn, runThrottler, runThrottlerOnTerminal } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { describeWithTerminal } from '../support/describe-with-terminal.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const policy = (capacity: number) => ({ capacity, refillTokens: 1, mode: 'off' })

describeWithRedis('throttler verify, rebuild and compact', () => {
  let redis: RedisServer
  let admin: Redis
  let service: Service
  let client: Client
  let variables: Record<string, string>
  beforeAll(async () => {
    redis = await RedisServer.start()
    admin = new Redis(redis.url)
    variables = { REDIS_URL: redis.url }
    service = await Service.start({ env: variables })
    client = new Client(service.url)
  })
  afterAll(async () => {
    await service.stop()
    admin.disconnect()
    await redis.stop()
  })

  const keysOf = (key: string) => new ConfigKeys('throttler', configPartition(key))

  it('verify names a field that was edited by hand, and rebuild repairs it while checks and changes continue', async () => {
    await client.put('edited', policy(3))
    let isOver = false
    const statuses = new Set<number>()
    const checks = Promise.all(
      Array.from({ length: 4 }, async (_, i) => {
        while (!isOver) statuses.add((await client.check(`checked-${i}`)).status)
      }),
    )
    const changes = Promise.all(
      ['a', 'b', 'c', 'd'].map(async key => {
        for (let capacity = 1; !isOver; capacity++) {
          expect((await client.put(key, policy(capacity))).body.version).toBe(capacity)
        }
      }),
    )
    try {
      expect(await runThrottler(['verify'], variables)).toMatchObject({ code: 0 })
      const { policies } = keysOf('edited')
      const record = (await admin.hget(policies, 'edited')) ?? ''
      await admin.hset(policies, 'edited', record.replace('"capacity":3', '"capacity":4'))

      const { code, output } = await runThrottler(['verify'], variables)
      expect([code, objectsIn(output)]).toEqual([
        1,
        [
          {
            ...{ partition: configPartition('edited'), where: 'policies', key: 'edited' },
            detail: expect.stringMatching(/^has .*"capacity":4.*the log says .*:3/),
          },
          { clean: false, differences: 1 },
        ],
      ])
      const rebuilt = await runThrottler(['rebuild'], variables)
      expect([rebuilt.code, objectsIn(rebuilt.output)]).toEqual([
        0,
        [...[0, 1, 2, 3].map(partition => ({ partition, repaired: [], faults: [] })), { rebuilt: 4, partitions: 4 }],
      ])
      expect(await runThrottler(['verify'], variables)).toMatchObject({ code: 0 })
    } finally {
      isOver = true
      await Promise.all([checks, changes])
    }
    expect([...statuses].filter(status => status !== 200 && status !== 429)).toEqual([])
    expect((await client.get('/config/edited')).body.limits[0].capacity).toBe(3)
  })

  it('reports each damaged key, repairs what the log allows, and reports what it did not rebuild', async () => {
    const other = { ...variables, KEY_PREFIX: 'damaged' }
    const { names, log, compactedTo } = new ConfigKeys('damaged', 1)
    await admin.set(names, 'of another type')
    await admin.set(compactedTo, '1000000000000000000')
    await admin.xadd(log, '1-0', 'event', 'not JSON')
    const inLog = (detail: unknown) => ({ partition: 1, where: 'log', detail })
    const unreadable = 'the event at position 1 is damaged'
    const run = async (command: string) => {
      const { code, output, complaints } = await runThrottler([command], other)
      return { code, found: objectsIn(output), complaints }
    }
    const wrongBounds = expect.stringMatching(/^"compacted-to" is "10+", but the log begins at position 1; /)
    expect(await run('verify')).toEqual({
      code: 1,
      found: [inLog(wrongBounds), { clean: false, differences: 1 }],
      complaints: '',
    })
    const skipped = 'its log holds an event that cannot be read'
    expect(await run('rebuild')).toEqual({
      code: 1,
      found: [
        { partition: 0, repaired: [], faults: [] },
        { partition: 1, repaired: ['compacted-to'], faults: [unreadable], skipped },
        { partition: 2, repaired: [], faults: [] },
        { partition: 3, repaired: [], faults: [] },
        { rebuilt: 3, partitions: 4 },
      ],
      complaints: '',
    })
    const wrongType = { partition: 1, where: 'names', detail: `the key "${names}" is of type string instead of zset` }
    expect(await run('verify')).toEqual({
      code: 1,
      found: [inLog(unreadable), wrongType, { clean: false, differences: 2 }],
      complaints: '',
    })
    expect(await runThrottler(['export'], other)).toMatchObject({
      code: 2,
      complaints: expect.stringMatching(/^throttler export: the key .* is of type string instead of zset; .*\n$/),
    })
  })

  it('name the right that the user lacks, and change nothing', async () => {
    for (const capacity of [1, 2]) await client.put('denied', policy(capacity))
    const { log, policies } = keysOf('denied')
    const stored = () => Promise.all([admin.hgetall(policies), admin.pttl(policies), admin.xrange(log, '-', '+')])
    const before = await stored()
    const limited = { REDIS_URL: redis.url.replace('//', '//limited:password@') }
    const runWithout = async (right: string, ...args: string[]) => {
      await admin.acl('SETUSER', 'limited', 'reset', 'on', '>password', '~*', '&*', '+@all', `-${right}`)
      const { code, complaints } = await runThrottler(args, limited)
      return [code, complaints]
    }
    const rights = 'docs/security.md lists the rights that its user needs'
    const refusal = (command: string, reason: string) => [
      2,
      `throttler ${command}: the policy store refuses a command: ${reason}; ${rights}\n`,
    ]
    expect(await runWithout('rename', 'rebuild')).toEqual(refusal('rebuild', 'NOPERM this user may not run RENAME'))
    expect(await runWithout('persist', 'rebuild')).toEqual(refusal('rebuild', 'NOPERM this user may not run PERSIST'))
    expect(await runWithout('xtrim', 'compact', '--keep', '1')).toEqual(
      refusal('compact', 'NOPERM this user may not run XTRIM'),
    )
    expect(await runWithout('xinfo', 'verify')).toEqual(refusal('verify', 'NOPERM this user may not run XINFO'))
    expect(await stored()).toEqual(before)
    await admin.acl('DELUSER', 'limited')
  })

  it('compact keeps the given number of events, and a worker keeps CONFIG_LOG_KEEP events by itself', async () => {
    for (let capacity = 1; capacity <= 8; capacity++) await client.put('compacted', policy(capacity))
    const { log } = keysOf('compacted')
    const compacted = await runThrottler(['compact', '--keep', '5'], variables)
    expect([compacted.code, objectsIn(compacted.output)]).toEqual([0, [{ compacted: expect.any(Number) }]])
    expect(await admin.xlen(log)).toBe(5)
    expect(await runThrottler(['compact', '--keep', '0'], variables)).toMatchObject({ code: 2 })
    expect(await runThrottler(['compact'], variables)).toMatchObject({
      code: 2,
      complaints: expect.stringContaining('CONFIG_LOG_KEEP is all'),
    })
    expect(await runThrottler(['compact'], { ...variables, CONFIG_LOG_KEEP: '4' })).toMatchObject({ code: 0 })
    expect(await admin.xlen(log)).toBe(4)

    const worker = await Service.start({ kind: 'worker', env: { ...variables, CONFIG_LOG_KEEP: '2' } })
    await eventually(async () => expect(await admin.xlen(log)).toBe(2))
    await worker.stop()
    expect((await client.get('/config/compacted?version=1')).body.code).toBe('version-not-found')
    expect((await client.put('compacted', policy(9))).body.version).toBe(9)
    expect(await runThrottler(['verify'], variables)).toMatchObject({ code: 0 })
  })

  describeWithTerminal('on a terminal', () => {
    const run = (...args: string[]) => runThrottlerOnTerminal(args, { ...variables, KEY_PREFIX: 'terminal' })

    it('say in words what they found and did, and print JSON with --json', async () => {
      const { names, log } = new ConfigKeys('terminal', 1)
      expect(await run('verify')).toEqual({ code: 0, output: 'clean: the log and what is in use agree\n' })
      expect(await run('rebuild')).toEqual({ code: 0, output: 'rebuilt\n' })
      expect(await run('compact', '--keep', '1')).toEqual({ code: 0, output: 'compacted 0 events\n' })
      expect(await run('verify', '--json')).toEqual({ code: 0, output: '{"clean":true,"differences":0}\n' })

      await admin.set(names, 'of another type')
      expect(await run('verify')).toEqual({
        code: 1,
        output: `partition 1, names: the key "${names}" is of type string instead of zset\n1 difference\n`,
      })
      await admin.xadd(log, '1-0', 'event', 'not JSON')
      const unreadable = 'partition 1, log: the event at position 1 is damaged'
      const notRebuilt = 'partition 1 was not rebuilt: its log holds an event that cannot be read'
      expect(await run('rebuild')).toEqual({
        code: 1,
        output: `${unreadable}\n${notRebuilt}\nrebuilt 3 of 4 partitions\n`,
      })
    })
  })
})
