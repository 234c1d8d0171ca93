import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { ArrivingBodies, type BodyRules } from '../../../src/http/arriving-bodies.ts'
import { Problem } from '../../../src/lib/errors.ts'

const MIB = 1024 * 1024
const CHUNK_BYTES = 64 * 1024
const SENDERS = 20
const FIRST_TURNS = 5
/** The chunk that is read, and the part of a body that its stream buffers in advance. */
const MAX_BYTES_A_TURN = 3 * CHUNK_BYTES

/** A request whose client sends as fast as it is read. */
function flood(onRead: (bytes: number) => void, announced?: number): IncomingMessage {
  const body = new Readable({
    highWaterMark: CHUNK_BYTES,
    read() {
      onRead(CHUNK_BYTES)
      setImmediate(() => this.push(Buffer.alloc(CHUNK_BYTES)))
    },
  })
  return Object.assign(body, { headers: { 'content-length': announced?.toString() } }) as unknown as IncomingMessage
}

describe('large bodies that arrive at once', () => {
  const refused = () => new Problem('body-malformed', 'bad')
  it.each<[what: string, rules: BodyRules, announced: number | undefined]>([
    ['accepted', { maxBytes: 4 * MIB, problemOf: () => undefined }, undefined],
    ['refused', { maxBytes: 4 * MIB, problemOf: refused }, undefined],
    ['larger than is allowed', { maxBytes: 1, problemOf: () => undefined }, undefined],
    ['announced as larger than is allowed', { maxBytes: 1, problemOf: () => undefined }, 4 * MIB],
  ])('are read one at a time, also when they are %s', async (_, rules, announced) => {
    const bodies = new ArrivingBodies(SENDERS * 4 * MIB)
    let bytes = 0
    const requests = Array.from({ length: SENDERS }, () => flood(read => (bytes += read), announced))
    for (const request of requests) bodies.read(request, rules, () => undefined)
    // The first part of each body is read, and its stream buffers another.
    for (let turn = 0; turn < FIRST_TURNS; turn++) await nextTurn()

    let most = 0
    for (let turn = 0; turn < 100; turn++) {
      const before = bytes
      await nextTurn()
      most = Math.max(most, bytes - before)
    }
    for (const request of requests) request.destroy()
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(MAX_BYTES_A_TURN)
  })
})
