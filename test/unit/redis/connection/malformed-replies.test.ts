import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { connect, connectSubscriber, type RedisClient } from '../../../../src/redis/connection/connection.ts'
import { isTransient } from '../../../../src/redis/connection/transient.ts'
import { eventually } from '../../../support/eventually.ts'
import { ScriptedStore } from '../../../support/scripted-store.ts'
import { targetOf } from '../../../support/target-of.ts'

const NULL = '$-1\r\n'
const MALFORMED = ['*-1\r\n', NULL, ':1\r\n', '*0\r\n', '*1\r\n$1\r\nx\r\n', '*-5\r\n']
const SUBSCRIBED = '>3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n'

let store: ScriptedStore
let log: { msg: string; reason?: string }[]
const clients: RedisClient[] = []
beforeEach(async () => {
  store = await ScriptedStore.start()
  log = []
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  await store.stop()
})

function opened(purpose: 'request' | 'worker' | 'tool' | 'subscriber', protocol = 'redis'): RedisClient {
  const logger = pino({ level: 'info' }, { write: line => void log.push(JSON.parse(line)) })
  const options = { target: targetOf(`${protocol}://${store.host}`), name: 'test', logger }
  const client = purpose === 'subscriber' ? connectSubscriber(options, opened('request')) : connect(purpose, options)
  client.on('error', () => undefined)
  clients.push(client)
  return client
}

const isReady = (client: RedisClient) => eventually(() => expect(client.status).toBe('ready'))

const isLost = (reason: string) =>
  eventually(() =>
    expect(log).toContainEqual(expect.objectContaining({ msg: 'the connection to Redis is lost', reason })),
  )

describe('a malformed reply', () => {
  it.each(MALFORMED)('%j to SUBSCRIBE has the connection made again', async reply => {
    store.replies = { subscribe: reply }
    const subscriber = opened('subscriber')
    await isReady(subscriber)
    void subscriber.subscribe('x')
    await isLost('the server sent a malformed reply')
    store.replies = { subscribe: SUBSCRIBED }
    await isReady(subscriber)
    expect(await subscriber.subscribe('x')).toBe(1)
  })

  it('in place of a message has the connection made again', async () => {
    store.replies = { subscribe: SUBSCRIBED }
    const subscriber = opened('subscriber')
    await isReady(subscriber)
    await subscriber.subscribe('x')
    subscriber.on('message', () => undefined)
    store.push(`>3\r\n$7\r\nmessage\r\n${NULL}${NULL}`)
    await isLost('the server sent a malformed reply')
    await isReady(subscriber)
    expect(await subscriber.subscribe('x')).toBe(1)
  })

  it('that no command has asked for has the connection made again', async () => {
    const client = opened('request')
    await isReady(client)
    store.push(NULL)
    await isLost('the server sent a malformed reply')
    await isReady(client)
  })

  it.each([
    ['of checks', () => opened('request')],
    ['of a worker', () => opened('worker')],
    ['that BullMQ duplicates', () => (opened('worker') as Redis).duplicate()],
    ['of a subscriber', () => opened('subscriber')],
    ['of a tool', () => opened('tool')],
  ])('to INFO keeps a connection %s from becoming ready', async (_, open) => {
    store.replies = { info: NULL }
    const client = open()
    client.on('error', () => undefined)
    clients.push(client)
    const states = new Set<string>()
    client.on('ready', () => states.add('ready'))
    const { connections } = store
    await eventually(() => expect(store.connections).toBeGreaterThan(connections + 5))
    expect([...states]).toEqual([])
    await isLost('the server sent a malformed reply to INFO')
    store.replies = {}
    await isReady(client)
  })

  it('to INFO of a caller is an error that a retry may end', async () => {
    const client = opened('request')
    await isReady(client)
    store.replies = { info: NULL }
    const refused = await client.info().catch((err: Error) => err)
    expect(refused).toEqual(new Error('the server sent a malformed reply to INFO'))
    expect(isTransient(refused as Error)).toBe(true)
  })

  it.each([
    NULL,
    '*1\r\n*-1\r\n',
    '*1\r\n:1\r\n',
    '*1\r\n*3\r\n:0\r\n:16384\r\n*0\r\n',
    '*1\r\n*3\r\n:-1\r\n:1\r\n*0\r\n',
    '*1\r\n*3\r\n:0\r\n:1\r\n$-1\r\n',
  ])('%j to CLUSTER SLOTS counts as none', async reply => {
    store.replies = { cluster: reply }
    const client = opened('request', 'redis+cluster')
    await isLost('the server sent a malformed reply to CLUSTER')
    store.ownAllSlots()
    await isReady(client)
  })
})
