import { EventEmitter } from 'node:events'
import { expect, it } from '@jest/globals'
import { keepFrontCount } from '../../../src/processes/keep-front-count.ts'
import type { FromChild } from '../../../src/processes/messages.ts'
import type { SupervisedProcess } from '../../../src/processes/supervised-process.ts'

it('a process that asks is told how many front processes were counted last', () => {
  const slots = [new EventEmitter(), new EventEmitter()] as const
  keepFrontCount(slots as unknown as SupervisedProcess[])
  const say = (slot: EventEmitter, message: FromChild, child?: unknown) => slot.emit('message', message, child)
  const toldTo = (slot: EventEmitter) => {
    const told: unknown[] = []
    say(slot, { type: 'query-observations' }, { connected: true, send: (message: unknown) => told.push(message) })
    return told
  }
  expect(toldTo(slots[0])).toEqual([])
  say(slots[0], { type: 'front-count', count: 3 })
  say(slots[1], { type: 'front-count', count: 4 })
  say(slots[0], { type: 'alive' })
  for (const slot of slots) expect(toldTo(slot)).toEqual([{ type: 'front-count', count: 4 }])
})
