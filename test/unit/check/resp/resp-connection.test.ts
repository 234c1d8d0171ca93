import { once } from 'node:events'
import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, expect, it, jest } from '@jest/globals'
import { pino } from 'pino'
import { Callers } from '../../../../src/access/callers.ts'
import { BatchTurns } from '../../../../src/check/batch-turns.ts'
import { OWN_LIMIT_WEIGHT } from '../../../../src/check/check-weight.ts'
import { RequestPolicies } from '../../../../src/check/request-policies.ts'
import { CommandRunner } from '../../../../src/check/resp/command-runner.ts'
import { CommandTable } from '../../../../src/check/resp/command-table.ts'
import { RespConnection } from '../../../../src/check/resp/resp-connection.ts'
import { PolicyTable } from '../../../../src/domain/policy-table.ts'
import { faultFields } from '../../../../src/lib/operator-error.ts'
import { TurnBudget } from '../../../../src/lib/turn-budget.ts'
import { CallLog } from '../../../../src/observability/call-log.ts'
import { eventually } from '../../../support/eventually.ts'
import { policyOf } from '../../../support/policies.ts'
import { frameOf } from '../../../support/resp-client.ts'
import { HeldChecker } from '../../../support/resp-server.ts'

const TOKEN = { name: 'gate', token: 'a-token-of-the-test', readOnly: false }

/** Of one batch. */
const MAX_COMMANDS = 256

let checker: HeldChecker
let budget: TurnBudget
/** The commands of all connections that have run. */
let ran: number
beforeEach(() => {
  checker = new HeldChecker()
  budget = new TurnBudget({ perTurn: 2 * MAX_COMMANDS })
  ran = 0
})

/** A connection whose replies are kept. */
function open({ needsToken = false } = {}) {
  const limits = { adminCall: async () => 0, failedLogin: async () => 0 }
  const callers = new Callers({ adminTokens: [], checkTokens: needsToken ? [TOKEN] : [], limits })
  const calls = new CallLog({ logger: pino({ level: 'silent' }), loggedKey: key => key, causeFields: faultFields })
  const requestPolicies = new RequestPolicies(new PolicyTable(policyOf('default')))
  const table = new CommandTable({ callers, calls, requestPolicies, version: '0' })
  const observer = { commandAnswered: () => void ran++ }
  const batchTurns = new BatchTurns(10_000)
  const runner = new CommandRunner({ table, checker, batchTurns, isOverloaded: () => false, calls, observer })
  const socket = new PassThrough()
  const held: number[] = []
  const connection = new RespConnection(socket as unknown as Socket, {
    runner,
    isAdmitted: session => table.isAdmitted(session),
    waitForTurn: setImmediate,
    budget,
    waitForBudget: run => void budget.add('client', { run }),
    hold: bytes => void held.push(bytes),
  })
  const replies = () => String(socket.read() ?? '')
  return { connection, socket, held, replies, isAnswered: () => replies() !== '' || socket.writableEnded }
}

describe('a client is admitted', () => {
  it('once it has sent a complete command', () => {
    const { connection, replies } = open()
    connection.receive(frameOf('PING').subarray(0, 5))
    expect(connection.isAdmitted).toBe(false)
    connection.receive(frameOf('PING').subarray(5))
    expect([replies(), connection.isAdmitted]).toEqual(['+PONG\r\n', true])
  })

  it('once it has logged in, if it needs a token', () => {
    const { connection } = open({ needsToken: true })
    connection.receive(frameOf('PING'))
    expect(connection.isAdmitted).toBe(false)
    connection.receive(frameOf('AUTH', TOKEN.token))
    expect(connection.isAdmitted).toBe(true)
  })
})

it('a connection holds replies until they are read', async () => {
  const { connection, held, replies } = open()
  // More than the buffer of the other side takes.
  for (let i = 0; i < 4; i++) connection.receive(frameOf('ECHO', 'x'.repeat(50_000)))
  expect(held.at(-1)).toBeGreaterThan(50_000)
  await eventually(() => {
    replies()
    connection.reportHeld()
    expect([held.at(-1), connection.isIdle]).toEqual([0, true])
  })
})

describe('a connection that ends in the middle of a command', () => {
  const half = frameOf('ECHO', 'x'.repeat(50_000)).subarray(0, 40_000)

  it('holds nothing of the command', () => {
    const { connection, held } = open()
    connection.receive(half)
    expect(held.at(-1)).toBeGreaterThanOrEqual(40_000)
    connection.inputEnded()
    expect([held.at(-1), connection.isReceiving]).toEqual([0, false])
  })

  it('is not kept by a timer once it is closed', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] })
    try {
      const { connection, socket } = open()
      connection.receive(half)
      connection.inputEnded()
      expect(jest.getTimerCount()).toBe(1)
      socket.destroy()
      await once(socket, 'close')
      expect(jest.getTimerCount()).toBe(0)
    } finally {
      jest.useRealTimers()
    }
  })
})

it('a connection is idle unless commands are under way', async () => {
  const { connection } = open()
  connection.receive(frameOf('PING'))
  expect(connection.isIdle).toBe(true)
  checker.isHolding = true
  connection.receive(frameOf('THROTTLE.CHECK', 'key'))
  expect(connection.isIdle).toBe(false)
  checker.release()
  expect(connection.isIdle).toBe(true)
})

describe('commands of one turn of the event loop', () => {
  /** Of the long commands below, at least. */
  const KILOBYTES = 58
  const pings = Buffer.concat(Array.from({ length: MAX_COMMANDS }, () => frameOf('PING')))

  it('are answered at once while they are few', () => {
    for (const { connection, replies } of [open(), open()]) {
      connection.receive(pings)
      expect(replies()).toBe('+PONG\r\n'.repeat(MAX_COMMANDS))
    }
  })

  it('are of all connections together as many as their budget allows, and the rest follow', async () => {
    const clients = Array.from({ length: 50 }, () => open())
    for (const { connection } of clients) connection.receive(pings)
    for (let before = 0; before < 50 * MAX_COMMANDS; ) {
      expect(ran - before).toBeLessThanOrEqual(2 * MAX_COMMANDS)
      before = ran
      await new Promise(setImmediate)
    }
    expect(ran).toBe(50 * MAX_COMMANDS)
    for (const { replies } of clients) expect(replies()).toBe('+PONG\r\n'.repeat(MAX_COMMANDS))
  })

  it.each([
    ['long inline commands', Buffer.from(`ECHO "${'\\a'.repeat(30_000)}"\n`)],
    ['long inline commands with unbalanced quotes', Buffer.from(`ECHO "${'\\a'.repeat(30_000)}\n`)],
    ['long lines without words', Buffer.from(`${' '.repeat(60_000)}\nPING\n`)],
    ['long commands', frameOf('ECHO', 'x'.repeat(60_000))],
    ['empty lines', Buffer.from(`${'\n'.repeat(60_000)}PING\n`)],
  ])('are fewer if they are long: %s', async (_name, command) => {
    const clients = new Set(Array.from({ length: 50 }, () => open()))
    for (const { connection } of clients) connection.receive(command)
    while (clients.size > 0) {
      const answered = [...clients].filter(({ isAnswered }) => isAnswered())
      expect((answered.length - 1) * KILOBYTES).toBeLessThan(2 * MAX_COMMANDS)
      for (const client of answered) clients.delete(client)
      await new Promise(setImmediate)
    }
  })

  it('are fewer if they are logins', async () => {
    const clients = Array.from({ length: 50 }, () => open({ needsToken: true }))
    const logins = Buffer.concat(Array.from({ length: MAX_COMMANDS }, () => frameOf('AUTH', 'wrong')))
    for (const { connection } of clients) connection.receive(logins)
    await new Promise(setImmediate)
    expect(ran).toBeLessThan((2 * 2 * MAX_COMMANDS) / 10)
  })

  it('wait in order with those that arrive meanwhile', async () => {
    for (const { connection } of [open(), open()]) connection.receive(pings)
    const { connection, replies } = open()
    for (const text of ['a', 'b', 'c']) connection.receive(frameOf('ECHO', text))
    expect([replies(), connection.isIdle]).toEqual(['', false])
    await new Promise(setImmediate)
    expect(replies()).toBe('$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n')
    expect(connection.isIdle).toBe(true)
  })
})

it('pipelined checks wait for their turn with the weight of the limits that they bring', () => {
  const next = jest.spyOn(BatchTurns.prototype, 'next')
  const { connection } = open()
  const throttle = (limit: number) => frameOf('CL.THROTTLE', 'a', String(limit), '1', '1')
  connection.receive(Buffer.concat([1, 2, 2, 3].map(throttle)))
  expect(next).toHaveBeenCalledWith(expect.anything(), { checks: 4, weight: 3 * OWN_LIMIT_WEIGHT + 1 })
  next.mockRestore()
})
