import type { Socket } from 'node:net'
import { beforeEach, expect, it } from '@jest/globals'
import { InspectedMemory } from '../../../src/connections/held-memory.ts'
import { SharedBound } from '../../../src/connections/shared-bound.ts'

const MAX = 10

let memory: SharedBound
let inspected: InspectedMemory
let closed: Socket[]
beforeEach(() => {
  memory = new SharedBound(MAX)
  closed = []
  inspected = new InspectedMemory(memory, connection => closed.push(connection))
})

const from = (remoteAddress: string) => ({ remoteAddress }) as Socket
const [first, second, other] = [from('192.0.2.1'), from('192.0.2.1'), from('192.0.2.2')] as const
const found = (connection: Socket, bytes: number, isProgressing = false) => ({ connection, bytes, isProgressing })

it('what inspections find and what was held before have one bound', () => {
  memory.hold('192.0.2.2', () => closed.push(other), 6)
  inspected.update([found(first, 4)])
  expect(closed).toEqual([])
  inspected.update([found(first, 4), found(second, 1)])
  expect(closed).toEqual([other])
})

it('what an inspection does not find any more is not held', () => {
  inspected.update([found(first, MAX)])
  inspected.update([found(other, MAX)])
  expect(closed).toEqual([])
})

it('a client loses connections that make no progress before others', () => {
  inspected.update([found(first, 5), found(second, 5)])
  inspected.update([found(first, 5, true), found(second, 6)])
  expect(closed).toEqual([second])
})

it('a connection is closed once, however often it is found until it has closed', () => {
  inspected.update([found(first, MAX + 1)])
  inspected.update([found(first, MAX + 1), found(second, MAX)])
  expect(closed).toEqual([first])
})
