import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { Redis } from 'ioredis'
import { EmbeddedValkey } from '../../src/embedded/valkey.ts'
import type { Endpoint } from '../../src/settings/redis-url.ts'
import { freePort } from '../support/free-port.ts'

const PASSWORD = 'a-password-of-the-test'
const NO_GATE = { makeDurable: () => true, isExempt: () => true, refusal: '' }

let directory: string
let endpoint: Endpoint
const stores: EmbeddedValkey[] = []
const clients: Redis[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-valkey-'))
  endpoint = { path: join(directory, 'socket') }
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  for (const store of stores.splice(0)) await store.stop()
  rmSync(directory, { recursive: true })
})

async function serve(): Promise<EmbeddedValkey> {
  const valkey = new EmbeddedValkey(endpoint, PASSWORD)
  stores.push(valkey)
  await valkey.start()
  await valkey.serve(NO_GATE)
  return valkey
}

function connect(): Redis {
  const client = new Redis({ ...endpoint, password: PASSWORD })
  clients.push(client)
  return client
}

it('a large reply of many parts is written without waiting for the timer', async () => {
  const valkey = await serve()
  const client = connect()
  const pipeline = client.pipeline()
  for (let i = 0; i < 2_000; i++) pipeline.hset('large', String(i), 'x'.repeat(1_000))
  await pipeline.exec()
  clearInterval((valkey as unknown as { timer: NodeJS.Timeout }).timer)
  expect(Object.keys(await client.hgetall('large'))).toHaveLength(2_000)
})

describe('an embedded store', () => {
  it('listens on the port that a supervisor of release 0.1.0 gives it', async () => {
    endpoint = { host: '127.0.0.1', port: await freePort() }
    await serve()
    expect(await connect().ping()).toBe('PONG')
  })

  it('takes the place of one that was killed and left its socket', async () => {
    const { path = '' } = endpoint
    const killed = createServer().listen(`${path}-elsewhere`)
    await once(killed, 'listening')
    // A server that closes removes the path on which it listened.
    renameSync(`${path}-elsewhere`, path)
    killed.close()
    await serve()
    expect(await connect().ping()).toBe('PONG')
  })

  it('says in a sentence that it cannot listen, and prints nothing', async () => {
    const printed = jest.spyOn(console, 'error')
    endpoint = { path: join(directory, 'missing', 'socket') }
    await expect(serve()).rejects.toThrow(/^the embedded store cannot listen: listen E\w+: .*socket$/)
    expect(printed).not.toHaveBeenCalled()
    printed.mockRestore()
  })
})
