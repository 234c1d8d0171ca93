import { Socket } from 'node:net'
import { beforeEach, describe, expect, it } from '@jest/globals'
import type { Call, Method, Responder } from '../../../src/grpc/call.ts'
import { Health } from '../../../src/grpc/health.ts'
import type { Status } from '../../../src/grpc/status.ts'

/** The message of the empty name, and the states as messages. */
const EMPTY = Buffer.alloc(0)
const [SERVING, NOT_SERVING] = ['0801', '0802']

class Answer implements Responder {
  readonly sent: string[] = []
  status: Status | undefined
  close: () => void = () => undefined

  send(message: Buffer): void {
    this.sent.push(message.toString('hex'))
  }

  finish(message: Buffer): void {
    this.send(message)
  }

  end(status: Status): void {
    this.status = status
  }

  onClosed(callback: () => void): void {
    this.close = callback
  }
}

let stop: AbortController
let watch: Method
beforeEach(() => {
  stop = new AbortController()
  watch = new Map(new Health([], stop.signal).methods).get('/grpc.health.v1.Health/Watch') as Method
})

function watched(socket: Socket): Answer {
  const answer = new Answer()
  watch.answer(EMPTY, answer, {
    metadata: {},
    socket,
    ip: undefined,
    deadlineMs: Number.POSITIVE_INFINITY,
  } satisfies Call)
  return answer
}

describe('Watch', () => {
  it('answers four calls of a connection at once, and each connection for itself', () => {
    const [first, second] = [new Socket(), new Socket()]
    const answers = Array.from({ length: 6 }, () => watched(first))
    expect(answers.map(({ sent }) => sent)).toEqual([[SERVING], [SERVING], [SERVING], [SERVING], [], []])
    expect(answers[4]?.status).toMatchObject({ name: 'RESOURCE_EXHAUSTED' })
    expect(watched(second).sent).toEqual([SERVING])
    answers[0]?.close()
    expect(watched(first).sent).toEqual([SERVING])
    expect(watched(first).sent).toEqual([])
  })

  it('tells all that the instance stops, a few in each turn of the event loop', async () => {
    const answers = Array.from({ length: 100 }, () => watched(new Socket()))
    const closed = watched(new Socket())
    stop.abort()
    closed.close()
    const told = () => answers.filter(({ sent }) => sent.includes(NOT_SERVING)).length
    let most = 0
    for (let before = told(); before < answers.length; before = told()) {
      await new Promise(setImmediate)
      most = Math.max(most, told() - before)
    }
    expect(most).toBe(20)
    expect(closed.sent).toEqual([SERVING])
  })
})
