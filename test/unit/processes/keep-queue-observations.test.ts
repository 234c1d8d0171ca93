import { EventEmitter } from 'node:events'
import { expect, it } from '@jest/globals'
import { keepQueueObservations } from '../../../src/processes/keep-queue-observations.ts'
import type { FromChild } from '../../../src/processes/messages.ts'
import type { SupervisedProcess } from '../../../src/processes/supervised-process.ts'
import type { QueueObservation } from '../../../src/queues/queue-watch.ts'

const WAITING: QueueObservation = {
  ...{ partition: 0, seen: 'a', isPaused: false, lease: null, isKnown: true },
  ...{ sinceMs: 1_000, waitedMs: 12_000, workableSinceMs: 1_000, stallReason: 'no-worker' },
}
const EMPTY: QueueObservation = { ...WAITING, partition: 1, seen: 'empty', waitedMs: 0, stallReason: undefined }

function givenFleet() {
  const slots = [new EventEmitter(), new EventEmitter()] as const
  keepQueueObservations(slots as unknown as SupervisedProcess[])
  const toldTo = (slot: EventEmitter) => {
    const told: unknown[] = []
    const child = { connected: true, send: (message: unknown) => told.push(message) }
    slot.emit('message', { type: 'query-observations' } satisfies FromChild, child)
    return told
  }
  const observe = (slot: EventEmitter, ...queues: readonly QueueObservation[]) =>
    slot.emit('message', { type: 'queues', queues } satisfies FromChild)
  return { slots, toldTo, observe }
}

it('a process that asks is told what processes of the instance have observed', () => {
  const { slots, toldTo, observe } = givenFleet()
  expect(toldTo(slots[0])).toEqual([{ type: 'queues', queues: [] }])
  observe(slots[0], WAITING, EMPTY)
  slots[0].emit('message', { type: 'alive' })
  for (const slot of slots) expect(toldTo(slot)).toEqual([{ type: 'queues', queues: [WAITING, EMPTY] }])
})

it('of the same state, the longest observation counts, and otherwise the latest', () => {
  const { slots, toldTo, observe } = givenFleet()
  observe(slots[0], WAITING)
  const later = { ...WAITING, sinceMs: 2_000, workableSinceMs: 9_000, stallReason: undefined }
  observe(slots[1], later)
  expect(toldTo(slots[1])).toEqual([{ type: 'queues', queues: [{ ...later, sinceMs: 1_000 }] }])
  const next = { ...later, seen: 'b', sinceMs: 3_000 }
  observe(slots[1], next)
  expect(toldTo(slots[1])).toEqual([{ type: 'queues', queues: [next] }])
})
