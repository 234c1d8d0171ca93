import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { ClockedChecker } from '../../support/clocked-checker.ts'
import { describeWithPythonClients } from '../../support/programs.ts'
import { RespClient } from '../../support/resp-client.ts'
import { TestRespServer } from '../../support/resp-server.ts'

const DRAGONFLY = fileURLToPath(new URL('../../support/dragonfly.py', import.meta.url))
const COMMANDS = process.env['TEST_LONG'] === undefined ? 2_000 : 50_000
/** Times in steps that a float holds exactly. */
const STEP_MS = 125
const START_MS = 1_024_000

let checker: ClockedChecker
let server: TestRespServer
let client: RespClient
beforeEach(async () => {
  checker = new ClockedChecker(START_MS)
  server = await TestRespServer.start(checker)
  client = await RespClient.connect(server.port)
})
afterEach(async () => {
  client.end()
  await server.close()
})

const throttle = (...args: (string | number)[]) => client.ask('CL.THROTTLE', ...args.map(String))

describe('the cases of redis-cell', () => {
  it('are answered alike: a burst of 5, one more a second', async () => {
    // Milliseconds since the start, quantity, and the reply; redis-cell's times are rounded up to seconds.
    const cases = [
      [0, 6, [1, 5, 5, -1, 0]],
      [0, 1, [0, 5, 4, -1, 1]],
      [0, 1, [0, 5, 3, -1, 2]],
      [0, 1, [0, 5, 2, -1, 3]],
      [0, 1, [0, 5, 1, -1, 4]],
      [0, 1, [0, 5, 0, -1, 5]],
      [0, 1, [1, 5, 0, 1, 5]],
      [3_000, 1, [0, 5, 2, -1, 3]],
      [3_100, 1, [0, 5, 1, -1, 4]],
      [4_000, 1, [0, 5, 1, -1, 4]],
      [8_000, 1, [0, 5, 4, -1, 1]],
      [9_500, 1, [0, 5, 4, -1, 1]],
      [9_500, 0, [0, 5, 4, -1, 1]],
      [9_500, 2, [0, 5, 2, -1, 3]],
      [9_500, 5, [1, 5, 2, 3, 3]],
    ] as const
    for (const [elapsedMs, quantity, reply] of cases) {
      checker.nowMs = START_MS + elapsedMs
      expect(await throttle('foo', 4, 1, 1, quantity)).toEqual(reply)
    }
  })

  it('are answered alike: one in two seconds, which is allowed again after the time that the denial says', async () => {
    expect(await throttle('user123', 0, 1, 2, 1)).toEqual([0, 1, 0, -1, 2])
    expect(await throttle('user123', 0, 1, 2, 1)).toEqual([1, 1, 0, 2, 2])
    checker.nowMs += 2_000
    expect(await throttle('user123', 0, 1, 2, 1)).toEqual([0, 1, 0, -1, 2])
  })
})

describeWithPythonClients('a stream of commands', () => {
  it('is answered as by Dragonfly, which makes a whole number of seconds one more', async () => {
    const limits = { a: [4, 1, 1], b: [15, 30, 60], c: [0, 1, 3_600], d: [99, 7, 13], e: [9, 1_000, 1] } as const
    const call = fc.record({
      key: fc.constantFrom(...(Object.keys(limits) as (keyof typeof limits)[])),
      quantity: fc.oneof(fc.nat(2), fc.nat(120)),
      steps: fc.oneof(fc.constant(0), fc.nat(8), fc.nat(1_000)),
    })
    const calls = fc.sample(call, COMMANDS)
    let nowMs = START_MS
    const timed = calls.map(({ key, quantity, steps }) => {
      nowMs += steps * STEP_MS
      return { nowMs, args: [key, ...limits[key], quantity] }
    })
    const running = promisify(execFile)('python3', [DRAGONFLY], { maxBuffer: 64 * 1024 * 1024 })
    running.child.stdin?.end(timed.map(({ nowMs, args }) => `${JSON.stringify([nowMs / 1_000, args])}\n`).join(''))
    const theirs = (await running).stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    for (const [i, { nowMs, args }] of timed.entries()) {
      checker.nowMs = nowMs
      const [ours, reference] = [(await throttle(...args)) as number[], theirs[i] as number[]]
      const context = JSON.stringify({ i, nowMs, args, ours, reference })
      expect([context, ...ours.slice(0, 3)]).toEqual([context, ...reference.slice(0, 3)])
      const more = [3, 4].map(at => (reference[at] ?? 0) - (ours[at] ?? 0))
      expect([context, more.filter(seconds => seconds !== 0 && seconds !== 1)]).toEqual([context, []])
    }
  })
})
