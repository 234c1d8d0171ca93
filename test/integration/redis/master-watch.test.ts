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

describeWithRedis('a connection to a master that Sentinels name', () => {
  let before: RedisServer
  let after: RedisServer
  let sentinels: readonly [ScriptedSentinel, ScriptedSentinel]
  const clients: Redis[] = []
  beforeEach(async () => {
    ;[before, after] = await Promise.all([RedisServer.start(), RedisServer.start()])
    const named = { host: NAME, port: before.port, epoch: 1 }
    sentinels = await Promise.all([ScriptedSentinel.start(named), ScriptedSentinel.start(named)])
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

  const isAt = (client: Redis, { port }: RedisServer) =>
    eventually(async () => expect([client.status, await portOf(client)]).toEqual(['ready', port]))

  it('moves to the next one, also if it is named by its host', async () => {
    const client = opened()
    await isAt(client, before)
    sentinels[1].named = { host: NAME, port: after.port, epoch: 2 }
    await isAt(client, after)
  })

  it('does not stay at the one before, which it was told by its host', async () => {
    for (const sentinel of sentinels) {
      sentinel.address = { host: NAME, port: before.port }
      sentinel.named = { host: NAME, port: after.port, epoch: 2 }
    }
    await isAt(opened(), after)
  })

  it('stays where it is while Sentinels call the same one by several names', async () => {
    sentinels[1].named = { host: ADDRESS, port: before.port, epoch: 1 }
    const client = opened()
    await isAt(client, before)
    const { stream } = client
    const answered = sentinels.map(({ answers }) => answers)
    await eventually(() => {
      for (const [i, sentinel] of sentinels.entries()) {
        expect(sentinel.answers).toBeGreaterThan((answered[i] as number) + MANY)
      }
    })
    expect(client.stream).toBe(stream)
  })

  it('moves to the next one although the epoch is the same, once no Sentinel names the one before', async () => {
    const client = opened()
    await isAt(client, before)
    for (const sentinel of sentinels) sentinel.named = { host: ADDRESS, port: after.port, epoch: 1 }
    await isAt(client, after)
  })
})
