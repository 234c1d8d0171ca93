import { EventEmitter, once } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { LargeRequests } from '../../../src/connections/large-requests.ts'
import { readingTurns } from '../../../src/connections/paced-reading.ts'
import { SharedBound } from '../../../src/connections/shared-bound.ts'
import { ArrivingBodies, type BodyRules, type BodyScan } from '../../../src/http/arriving-bodies.ts'
import { Problem } from '../../../src/lib/errors.ts'
import { eventually } from '../../support/eventually.ts'

const MIB = 1024 * 1024
const CHUNK_BYTES = 64 * 1024
const SENDERS = 20
const FIRST_TURNS = 5
/** The chunk that is read, and the part of a body that its stream buffers in advance. */
const MAX_BYTES_A_TURN = 3 * CHUNK_BYTES

const scanOf = (elements: number, problem?: Problem): BodyScan => ({ elements, problemOf: () => problem })
function arrivingBodies(maxBytes: number, drain = new AbortController().signal): ArrivingBodies {
  const memory = new SharedBound(maxBytes)
  return new ArrivingBodies({ memory, discarding: readingTurns(), largeRequests: new LargeRequests(drain) })
}

type ArrivingRequest = Parameters<ArrivingBodies['read']>[0]

/** A request whose client sends as fast as it is read. */
function flood(onRead: (bytes: number) => void, announced?: number): ArrivingRequest {
  const body = new Readable({
    highWaterMark: CHUNK_BYTES,
    read() {
      onRead(CHUNK_BYTES)
      setImmediate(() => this.push(Buffer.alloc(CHUNK_BYTES)))
    },
  })
  return requestWith(body, '192.0.2.1', announced)
}

function requestWith(body: Readable, ip: string, announced?: number): ArrivingRequest {
  const raw = Object.assign(body, { headers: { 'content-length': announced?.toString() } })
  const handle = { reading: true, readStop: () => body.pause(), readStart: () => body.resume() }
  const socket = Object.assign(new EventEmitter(), { destroyed: false, _handle: handle })
  return { raw, ip, socket } as unknown as ArrivingRequest
}

describe('large bodies that arrive at once', () => {
  const refused = new Problem('body-malformed', 'bad')
  it.each<[what: string, rules: BodyRules, announced: number | undefined]>([
    ['accepted', { maxBytes: 4 * MIB, scan: scanOf(1) }, undefined],
    ['refused', { maxBytes: 4 * MIB, scan: scanOf(1, refused) }, undefined],
    ['larger than is allowed', { maxBytes: 1, scan: scanOf(1) }, undefined],
    ['announced as larger than is allowed', { maxBytes: 1, scan: scanOf(1) }, 4 * MIB],
  ])('are read one at a time, also when they are %s', async (_, rules, announced) => {
    const bodies = arrivingBodies(SENDERS * 4 * MIB)
    let bytes = 0
    const requests = Array.from({ length: SENDERS }, () => flood(read => (bytes += read), announced))
    for (const request of requests) bodies.read(request, rules, () => undefined)
    // The first part of each body is read, and its stream buffers another.
    for (let turn = 0; turn < FIRST_TURNS; turn++) await nextTurn()

    let most = 0
    // After a pause of this process, no body has its turn for a while.
    for (let turn = 0; turn < 100 || most === 0; turn++) {
      const before = bytes
      await nextTurn()
      most = Math.max(most, bytes - before)
    }
    for (const { raw } of requests) raw.destroy()
    expect(most).toBeLessThanOrEqual(MAX_BYTES_A_TURN)
  })
})

describe('bodies of several clients that are larger than a check', () => {
  const RULES: BodyRules = { maxBytes: 4 * MIB, scan: scanOf(1) }
  const HUGE = Buffer.alloc(3 * MIB)
  const HALF = Buffer.alloc(5 * 1024)

  /** Records the clients whose bodies are handed over, or the problem that each gets. */
  function readAll(bodies: ArrivingBodies, requests: readonly ArrivingRequest[], rules = RULES): string[] {
    const ended: string[] = []
    const end = (ip: string, err: Error | null) => ended.push(err instanceof Problem ? `${ip} ${err.code}` : ip)
    for (const request of requests) bodies.read(request, rules, err => end(request.ip, err))
    return ended
  }

  const completeBody = (ip: string) => requestWith(Readable.from([HALF, HALF]), ip)
  const of = (ip: string, count: number) => Array.from({ length: count }, () => completeBody(ip))

  it('are handed over in turns, however many of them one client sends', async () => {
    const ended = readAll(arrivingBodies(64 * MIB), [...of('192.0.2.1', 10), ...of('192.0.2.2', 1)])
    await eventually(() => expect(ended).toHaveLength(11))
    expect(ended.indexOf('192.0.2.2')).toBeLessThanOrEqual(1)
  })

  it.each([
    ['in turns if they are small but have many members and items', 402, 1],
    ['at once if they are small in both', 401, 10],
  ])('are handed over %s', async (_, elements, place) => {
    const small = (ip: string, count: number) =>
      Array.from({ length: count }, () => requestWith(Readable.from([Buffer.alloc(1_000)]), ip))
    const requests = [...small('192.0.2.1', 10), ...small('192.0.2.2', 1)]
    const ended = readAll(arrivingBodies(64 * MIB), requests, { ...RULES, scan: scanOf(elements) })
    await eventually(() => expect(ended).toHaveLength(11))
    expect(ended.indexOf('192.0.2.2')).toBe(place)
  })

  it('leave the queue when their connection closes', async () => {
    const gone = of('192.0.2.1', 3)
    const ended = readAll(arrivingBodies(64 * MIB), [...gone, ...of('192.0.2.1', 1)])
    await Promise.all(gone.map(({ raw }) => once(raw, 'end')))
    for (const { socket } of gone.slice(1)) socket.emit('close')
    await eventually(() => expect(ended).toHaveLength(4))
    expect(ended.slice(-2)).toEqual(['192.0.2.1', '192.0.2.1'])
    expect(ended.filter(end => end === '192.0.2.1 body-malformed')).toHaveLength(2)
  })

  it('are refused if they wait while the process drains, and so are later ones', async () => {
    const drain = new AbortController()
    const bodies = arrivingBodies(64 * MIB, drain.signal)
    const huge = (count: number) => Array.from({ length: count }, () => requestWith(Readable.from([HUGE]), '192.0.2.1'))
    const ended = readAll(bodies, huge(4))
    await eventually(() => expect(ended).toEqual(['192.0.2.1', '192.0.2.1']))
    drain.abort()
    await eventually(() => expect(ended.slice(2)).toEqual(Array(2).fill('192.0.2.1 draining')))
    const later = readAll(bodies, huge(1))
    await eventually(() => expect(later).toEqual(['192.0.2.1 draining']))
  })

  it('are refused over budget if they are of the client that holds the most memory, its oldest first', () => {
    const unfinished = (ip: string) => requestWith(new Readable({ read: () => undefined }), ip)
    const requests = ['192.0.2.2', '192.0.2.1', '192.0.2.1', '192.0.2.1'].map(unfinished)
    const ended = readAll(arrivingBodies(MIB), requests)
    for (const { raw } of requests) raw.emit('data', Buffer.alloc(300_000))
    expect(ended).toEqual(['192.0.2.1 overloaded'])
  })
})
