import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { EmbeddedValkey } from '../../src/embedded/valkey.ts'
import { freePort } from '../support/free-port.ts'

const PASSWORD = 'a-password-of-the-test'
const NO_GATE = { makeDurable: () => true, isExempt: () => true, refusal: '' }

let valkey: EmbeddedValkey
let client: Redis
beforeEach(async () => {
  const port = await freePort()
  valkey = new EmbeddedValkey(port, PASSWORD)
  await valkey.start()
  await valkey.serve(NO_GATE)
  client = new Redis(port, '127.0.0.1', { password: PASSWORD })
})
afterEach(async () => {
  client.disconnect()
  await valkey.stop()
})

it('a large reply of many parts is written without waiting for the timer', async () => {
  const pipeline = client.pipeline()
  for (let i = 0; i < 2_000; i++) pipeline.hset('large', String(i), 'x'.repeat(1_000))
  await pipeline.exec()
  clearInterval((valkey as unknown as { timer: NodeJS.Timeout }).timer)
  expect(Object.keys(await client.hgetall('large'))).toHaveLength(2_000)
})
