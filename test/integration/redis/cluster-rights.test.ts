import { afterEach, beforeEach, expect, it } from '@jest/globals'
import type { Cluster } from 'ioredis'
import { pino } from 'pino'
import { connect } from '../../../src/redis/connection/connection.ts'
import { policyStoreInspection } from '../../../src/redis/policies/policy-store-inspection.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisCluster } from '../../support/redis-cluster.ts'
import { targetOf } from '../../support/target-of.ts'

const LOST = 'the connection to a master of Redis Cluster is lost'

describeWithRedis('a user of a cluster that loses a right', () => {
  let cluster: RedisCluster
  let client: Cluster
  let lines: { msg: string; reason?: string }[]
  let inspect: () => Promise<string | undefined>
  beforeEach(async () => {
    cluster = await RedisCluster.start({ masters: 2 })
    await setUser('on', '>password', '~*', '&*', '+@all')
    lines = []
    const logger = pino({}, { write: line => void lines.push(JSON.parse(line)) })
    const target = targetOf(cluster.url.replace('://', '://throttler:password@'))
    client = connect('request', { target, name: 'test', logger }) as Cluster
    inspect = policyStoreInspection(client, { keyPrefix: 'throttler', hasUser: true, timeoutMs: 5_000 })
    await eventually(async () => expect(await inspect()).toBeUndefined())
  })
  afterEach(async () => {
    client.disconnect()
    await cluster.stop()
  })

  const setUser = (...rules: readonly string[]) =>
    Promise.all(cluster.masters.map(({ redis }) => redis.call('ACL', 'SETUSER', 'throttler', ...rules)))
  const killConnections = () =>
    Promise.all(cluster.masters.map(({ redis }) => redis.call('CLIENT', 'KILL', 'USER', 'throttler')))

  it.each(['cluster|slots', 'cluster|info', 'cluster|keyslot'])(
    'is not authorized until it has %s again',
    async right => {
      await setUser(`-${right}`)
      expect(await inspect()).toBe('not-authorized')
      await setUser(`+${right}`)
      expect(await inspect()).toBeUndefined()
    },
  )

  it('is not authorized while it cannot connect again for lack of the slots', async () => {
    await setUser('-cluster|slots')
    await killConnections()
    await eventually(async () => {
      expect(client.status).not.toBe('ready')
      expect(await inspect()).toBe('not-authorized')
    })
    await setUser('+cluster|slots')
    await eventually(async () => expect(await inspect()).toBeUndefined())
  })

  it('does not lose later connections for that reason', async () => {
    await setUser('-cluster|slots')
    await new Promise(resolve => client.once('node error', resolve))
    await setUser('+cluster|slots')
    await new Promise(resolve => client.once('refresh', resolve))
    await killConnections()
    await eventually(() => expect(lines.some(({ msg }) => msg === LOST)).toBe(true))
    expect(lines.filter(({ reason }) => reason?.startsWith('NOPERM'))).toEqual([])
  })
})
