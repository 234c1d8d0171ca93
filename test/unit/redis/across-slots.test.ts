import { expect, it } from '@jest/globals'
import { type Redis, ReplyError } from 'ioredis'
import pino from 'pino'
import { AcrossSlots } from '../../../src/redis/buckets/across-slots.ts'
import { BucketKeys } from '../../../src/redis/keys.ts'

const PROBES = 64
const LOCAL = 0
const ELSEWHERE = -2

/** Replies as the script does, for a master that owns the partitions before `owned`. */
function replyOf(owned: number): Buffer {
  const notes = Array.from({ length: PROBES - owned }, (_, i) => [owned + i + 1, ELSEWHERE]).flat()
  const numbers = [...Array(PROBES).fill(LOCAL), ...notes]
  const reply = Buffer.alloc(numbers.length * 8)
  for (const [i, number] of numbers.entries()) reply.writeDoubleBE(number, i * 8)
  return reply
}

function given(...replies: (Buffer | Error)[]) {
  const lines: Record<string, unknown>[] = []
  const logger = pino({ base: null }, { write: line => lines.push(JSON.parse(line)) })
  const acrossSlots = new AcrossSlots(new BucketKeys('throttler'), logger)
  let asked = 0
  const connect = () =>
    ({
      status: 'ready',
      options: { host: 'redis-1', port: 6379 },
      sendCommand: async () => {
        const reply = replies[asked++]
        if (reply instanceof Error) throw reply
        return reply
      },
    }) as unknown as Redis
  return { acrossSlots, connect, lines, asked: () => asked }
}

it('is supported by a master that reads buckets in several slots in one call', async () => {
  const { acrossSlots, connect, asked } = given(replyOf(21))
  const master = connect()
  expect(acrossSlots.isSupportedBy(master)).toBe(false)
  await acrossSlots.examine(master)
  await acrossSlots.examine(master)
  expect(acrossSlots.isSupportedBy(master)).toBe(true)
  expect(asked()).toBe(1)
})

it('is examined again once a master owns several partitions', async () => {
  const { acrossSlots, connect } = given(replyOf(1), replyOf(2))
  const master = connect()
  await acrossSlots.examine(master)
  expect(acrossSlots.isSupportedBy(master)).toBe(false)
  await acrossSlots.examine(master)
  expect(acrossSlots.isSupportedBy(master)).toBe(true)
})

it('is examined again after a failure that passes', async () => {
  const { acrossSlots, connect, lines } = given(new ReplyError('LOADING Redis is loading'), replyOf(21))
  const master = connect()
  await acrossSlots.examine(master)
  await acrossSlots.examine(master)
  expect(acrossSlots.isSupportedBy(master)).toBe(true)
  expect(lines).toEqual([])
})

it('is refused by a server that does not know the flag, which is logged once for each master', async () => {
  const refusal = new ReplyError("ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'")
  const { acrossSlots, connect, lines, asked } = given(refusal, refusal)
  for (const master of [connect(), connect()]) {
    await acrossSlots.examine(master)
    await acrossSlots.examine(master)
    expect(acrossSlots.isSupportedBy(master)).toBe(false)
  }
  expect(asked()).toBe(2)
  expect(lines).toMatchObject([{ level: 40, master: 'redis-1:6379', reason: refusal.message }])
})

it('is unknown again once the connection is lost', async () => {
  const { acrossSlots, connect, asked } = given(replyOf(21), replyOf(21))
  const master = connect()
  await acrossSlots.examine(master)
  acrossSlots.forget(master)
  expect(acrossSlots.isSupportedBy(master)).toBe(false)
  await acrossSlots.examine(master)
  expect(asked()).toBe(2)
})
