import { once } from 'node:events'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { connect } from '../../../src/redis/connection/connection.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { ScriptedSentinel } from '../../support/scripted-sentinel.ts'
import { targetOf } from '../../support/target-of.ts'

const ADDRESS = '127.0.0.1'
const NAME = 'localhost'
/** So many answers of a Sentinel take some seconds. */
const MANY = 12
/** So many take about one second. */
const SOME = 3
/** Much less than the minute for which few Sentinels are not believed. */
const SOON_MS = 30_000

describeWithRedis('a connection to a master that Sentinels name', () => {
  let before: RedisServer
  let after: RedisServer
  let sentinels: readonly [ScriptedSentinel, ScriptedSentinel, ScriptedSentinel]
  const clients: Redis[] = []
  beforeEach(async () => {
    ;[before, after] = await Promise.all([RedisServer.start(), RedisServer.start()])
    const known = named(before, 1, NAME)
    const start = () => ScriptedSentinel.start(known)
    sentinels = await Promise.all([start(), start(), start()])
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    await Promise.all([...sentinels, before, after].map(server => server.stop()))
  })

  function opened(): Redis {
    const url = `redis+sentinel://${sentinels.map(({ host }) => host).join(',')}/main`
    const client = connect('request', {
      target: targetOf(url),
      name: 'test',
      logger: pino({ level: 'silent' }),
    }) as Redis
    client.on('error', () => undefined)
    clients.push(client)
    return client
  }

  /** The port of the server that answers it. */
  const portOf = async (client: Redis) => Number(/tcp_port:(\d+)/.exec(await client.info('server'))?.[1])

  const isAt = (client: Redis, { port }: RedisServer, timeoutMs?: number) =>
    eventually(async () => expect([client.status, await portOf(client)]).toEqual(['ready', port]), timeoutMs)

  const named = ({ port }: RedisServer, epoch: number, host = ADDRESS) => ({ host, port, epoch })

  /** Resolves once the Sentinel has named the master many times more. */
  const namesItOften = (sentinel: ScriptedSentinel, times = MANY) => {
    const { answers } = sentinel
    return eventually(() => expect(sentinel.answers).toBeGreaterThan(answers + times))
  }

  it('moves to the next one, also if it is named by its host', async () => {
    const client = opened()
    await isAt(client, before)
    sentinels[1].named = named(after, 2, NAME)
    await isAt(client, after)
  })

  it('does not begin at the one that an outdated Sentinel names', async () => {
    sentinels[1].named = named(after, 2, NAME)
    await isAt(opened(), after)
  })

  it('moves while the Sentinel that leads the failover still names the one before, with the new epoch', async () => {
    const client = opened()
    await isAt(client, before)
    for (const sentinel of sentinels) sentinel.named = named(after, 2)
    sentinels[0].withEpoch = named(before, 2)
    await isAt(client, after)
  })

  it('waits while the Sentinels name no address', async () => {
    for (const sentinel of sentinels) sentinel.named = { ...named(before, 1), port: Number.NaN }
    const client = opened()
    await namesItOften(sentinels[0], SOME)
    for (const sentinel of sentinels) sentinel.named = named(before, 1)
    await isAt(client, before)
  })

  it('moves after it was ended and connected again', async () => {
    const client = opened()
    await isAt(client, before)
    const ended = once(client, 'end')
    client.disconnect()
    await ended
    await client.connect()
    await isAt(client, before)
    for (const sentinel of sentinels) sentinel.named = named(after, 2)
    await isAt(client, after)
  })

  it('stays where it is while Sentinels call the same one by several names', async () => {
    sentinels[1].named = named(before, 1)
    const client = opened()
    await isAt(client, before)
    const { stream } = client
    await Promise.all(sentinels.map(namesItOften))
    expect(client.stream).toBe(stream)
  })

  it('moves to the one that most Sentinels name, if the epoch is the same', async () => {
    const client = opened()
    await isAt(client, before)
    sentinels[1].named = named(after, 1)
    await namesItOften(sentinels[1])
    await isAt(client, before)
    sentinels[2].named = named(after, 1)
    await isAt(client, after)
  })

  it('begins at the one that most Sentinels name', async () => {
    for (const sentinel of sentinels.slice(1)) sentinel.named = named(after, 1)
    await isAt(opened(), after)
  })

  it('moves after the connections to the Sentinels fell silent', async () => {
    const client = opened()
    await isAt(client, before)
    for (const sentinel of sentinels) {
      sentinel.fallSilent()
      sentinel.named = named(after, 2)
    }
    await isAt(client, after)
  })

  it('moves to the next one although the epoch is the same, once no Sentinel names the one before', async () => {
    const client = opened()
    await isAt(client, before)
    for (const sentinel of sentinels) sentinel.named = named(after, 1)
    await isAt(client, after)
  })

  it('moves to the one that Sentinels name which were set up anew', async () => {
    for (const sentinel of sentinels) sentinel.named = named(before, 7)
    const client = opened()
    await isAt(client, before)
    for (const sentinel of sentinels) sentinel.named = named(after, 0)
    await isAt(client, after, SOON_MS)
  })

  it('stays where it is if only an outdated Sentinel is left, though another one ended later than the one that was not', async () => {
    sentinels[1].named = named(after, 2)
    const client = opened()
    await isAt(client, after)
    const { stream } = client
    sentinels[1].refuse()
    await namesItOften(sentinels[2], SOME)
    sentinels[2].refuse()
    await namesItOften(sentinels[0])
    expect(client.stream).toBe(stream)
  })
})
