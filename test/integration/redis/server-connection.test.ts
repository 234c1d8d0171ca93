import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { connect } from '../../../src/redis/connection/connection.ts'
import { failureReasonOf } from '../../../src/redis/connection/failure-reason.ts'
import { isTransient } from '../../../src/redis/connection/transient.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { pauseProcess } from '../../support/pause-process.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { targetOf } from '../../support/target-of.ts'

const ATTEMPTS = 5

/** Time that the server takes to load one key, in µs, and the keys that it loads: four seconds, which a pause of this process does not fill. */
const LOAD_DELAY_US = '400'
const KEYS = 10_000

/** Events of so many failed attempts to connect. */
function refusals(client: Redis): Promise<void> {
  return new Promise(resolve => {
    let seen = 0
    client.on('reconnecting', () => ++seen === ATTEMPTS && resolve())
  })
}

describeWithRedis('a connection', () => {
  let server: RedisServer
  let admin: Redis
  let log: { msg: string; reason?: string }[]
  const clients: Redis[] = []
  beforeEach(async () => {
    server = await RedisServer.start('--appendonly', 'yes', '--key-load-delay', LOAD_DELAY_US)
    admin = new Redis(server.url)
    admin.on('error', () => undefined)
    log = []
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    admin.disconnect()
    await server.stop()
  })

  function connected(purpose: 'request' | 'worker' | 'tool', database: number, limits = {}): Promise<Redis> {
    const logger = pino({ level: 'warn' }, { write: line => void log.push(JSON.parse(line)) })
    const target = targetOf(`${server.url}/${database}`)
    return ready(connect(purpose, { target, name: 'test', logger, ...limits }) as Redis)
  }

  async function ready(client: Redis): Promise<Redis> {
    clients.push(client)
    client.on('error', () => undefined)
    await eventually(() => expect(client.status).toBe('ready'))
    return client
  }

  it.each([
    ['a connection', { hangTimeoutMs: 200 }],
    ['a command', { commandTimeoutMs: 200 }],
  ])('to a server that has answered while this process was busy is kept: a limit for %s', async (_, limits) => {
    const client = await connected('request', 0, limits)
    const { stream } = client
    // After this, timers run before anything is read.
    await setImmediate()
    const answer = client.ping()
    pauseProcess(400)
    expect(await answer).toBe('PONG')
    expect(client.stream).toBe(stream)
  })

  it('to a demoted master is closed once, however many commands are refused', async () => {
    const client = await connected('request', 0)
    await admin.replicaof('127.0.0.1', 1)
    const { stream } = client
    const before = stream.listenerCount('close')
    const refused = await Promise.allSettled(Array.from({ length: 20 }, () => client.set('a', 'b')))
    expect(refused.map(({ status }) => status)).toEqual(Array(20).fill('rejected'))
    expect(stream.listenerCount('close')).toBeLessThanOrEqual(before + 1)
    await eventually(() => expect(client.stream).not.toBe(stream))
  })

  it.each([
    ['of a request', () => connected('request', 3)],
    ['of a worker', () => connected('worker', 3)],
    ['of a tool', () => connected('tool', 3)],
    ['that BullMQ duplicates', async () => ready((await connected('worker', 3)).duplicate({ connectionName: 'copy' }))],
  ])('%s is unusable while its database is refused', async (_, open) => {
    const client = await open()
    const reasonOf = failureReasonOf(client)
    const refused = refusals(client)
    await admin.acl('SETUSER', 'default', '-select')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    const states = new Set<string>()
    client.on('ready', () => states.add('ready'))
    await refused
    expect([...states]).toEqual([])
    expect(reasonOf(new Error('Connection is closed.'))).toBe('not-authorized')
    expect(log).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          msg: 'the connection to Redis is lost',
          reason: expect.stringMatching(/NOPERM .*'select'/),
        }),
      ]),
    )
    await admin.acl('SETUSER', 'default', '+select')
    await ready(client)
    await client.set('key', 'value')
    expect(await admin.dbsize()).toBe(0)
  })

  it('of a worker keeps its commands until its database can be selected', async () => {
    const client = await connected('worker', 3)
    const refused = refusals(client)
    await admin.acl('SETUSER', 'default', '-select')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    const written = client.set('key', 'value')
    await refused
    await admin.acl('SETUSER', 'default', '+select')
    expect(await written).toBe('OK')
    expect([await admin.dbsize(), await client.dbsize()]).toEqual([0, 1])
  })

  it('of a tool fails commands whose answer is lost, also if it connects anew at once', async () => {
    const client = await connected('tool', 0)
    for (let i = 0; i < 2; i++) {
      const waiting = client.blpop('nothing', 0)
      await eventually(async () => expect(await admin.info('clients')).toContain('blocked_clients:1'))
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await expect(waiting).rejects.toThrow('the connection to Redis was lost before the answer')
      expect(await waiting.catch(isTransient)).toBe(true)
      expect(await client.set('key', 'value')).toBe('OK')
    }
  })

  it('says while the server loads its data, and is ready soon after', async () => {
    const client = await connected('request', 0)
    const reasonOf = failureReasonOf(client)
    const pipeline = admin.pipeline()
    for (let i = 0; i < KEYS; i++) pipeline.set(`key:${i}`, 'x')
    await pipeline.exec()
    await server.kill()
    const restarted = server.restart()
    await eventually(() => expect(reasonOf(new Error('Connection is closed.'))).toBe('loading'))
    await restarted
    await eventually(() => expect(client.status).toBe('ready'))
    expect(reasonOf(new Error('Connection is closed.'))).toBe('connection-lost')
  })
})
