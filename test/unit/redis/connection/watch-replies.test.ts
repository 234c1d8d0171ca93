import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { connect, type RedisClient } from '../../../../src/redis/connection/connection.ts'
import { isTransient } from '../../../../src/redis/connection/transient.ts'
import { watchReplies } from '../../../../src/redis/connection/watch-replies.ts'
import { eventually } from '../../../support/eventually.ts'
import { ScriptedStore } from '../../../support/scripted-store.ts'
import { targetOf } from '../../../support/target-of.ts'

const LATENCY_MS = 50

let store: ScriptedStore
let client: RedisClient
beforeEach(async () => {
  store = await ScriptedStore.start()
})
afterEach(async () => {
  client.disconnect()
  await store.stop()
})

async function connected(protocol: string): Promise<void> {
  store.ownAllSlots()
  client = connect('request', {
    target: targetOf(`${protocol}://${store.host}`),
    name: 'test',
    logger: pino({ level: 'silent' }),
  })
  client.on('error', () => undefined)
  await eventually(async () => expect(await get()).toBe('OK'))
}

const get = () => client.get('a').catch((err: Error) => err)

describe.each(['redis', 'redis+cluster'])('the connection of %s', protocol => {
  beforeEach(() => connected(protocol))

  it.each(['$1000000000\r\n', '*1000000000\r\n', '*9\r\n'])('whose reply begins with %j is made again', async begin => {
    store.corruptNext = begin
    const unanswered = get()
    const overdue = watchReplies(client, store.host)
    await eventually(() => expect(store.corruptNext).toBe(''))
    void get()
    overdue()
    expect(isTransient((await unanswered) as Error)).toBe(true)
    await eventually(async () => expect(await client.get('a')).toBe('OK'))
  })

  it('whose commands get the replies to others is made again', async () => {
    store.corruptNext = '*3\r\n'
    const early = [get(), get(), get()]
    await early[0]
    const overdue = watchReplies(client, store.host)
    void get()
    await early[1]
    overdue()
    void get()
    void get()
    expect(isTransient((await get()) as Error)).toBe(true)
    await eventually(async () => expect(await client.get('a')).toBe('OK'))
  })

  it('to a slow server is kept', async () => {
    const { connections } = store
    store.latencyMs = LATENCY_MS
    const early = get()
    const late = early.then(get)
    const overdue = watchReplies(client, store.host)
    await early
    overdue()
    expect([await late, await client.get('a'), store.connections]).toEqual(['OK', 'OK', connections])
  })
})

it('the connection to a node of a cluster is kept if another node is watched', async () => {
  await connected('redis+cluster')
  const { connections } = store
  store.latencyMs = LATENCY_MS
  const answer = get()
  watchReplies(client, '127.0.0.1:1')()
  expect([await answer, store.connections]).toEqual(['OK', connections])
})
