import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, expect, it, jest } from '@jest/globals'
import { whenRead } from '../../../src/http/when-read.ts'

type FakeResponse = EventEmitter & { writableNeedDrain: boolean; destroyed: boolean; writableEnded: boolean }

function responseWith(state: Partial<FakeResponse>): FakeResponse & ServerResponse {
  const idle = { writableNeedDrain: false, destroyed: false, writableEnded: false }
  return Object.assign(new EventEmitter(), idle, state) as FakeResponse & ServerResponse
}

/** The result, or `waits` while there is none. */
async function resultOf(read: Promise<boolean>): Promise<boolean | 'waits'> {
  for (let turn = 0; turn < 5; turn++) await nextTurn()
  return Promise.race([read, 'waits' as const])
}

let behind: jest.Mock
beforeEach(() => {
  behind = jest.fn()
})

it('a response that the client has read goes on', async () => {
  expect(await resultOf(whenRead(responseWith({}), behind))).toBe(true)
  expect(behind).not.toHaveBeenCalled()
})

it('a response that the client does not read waits until it does', async () => {
  const response = responseWith({ writableNeedDrain: true })
  const read = whenRead(response, behind)
  expect(await resultOf(read)).toBe('waits')
  expect(behind).toHaveBeenCalledTimes(1)
  response.emit('drain')
  expect(await resultOf(read)).toBe(true)
  expect(response.eventNames()).toEqual([])
})

it('a response whose connection closes while it waits is over', async () => {
  const response = responseWith({ writableNeedDrain: true })
  const read = whenRead(response, behind)
  await nextTurn()
  response.destroyed = true
  response.emit('close')
  expect(await resultOf(read)).toBe(false)
})

it.each([{ destroyed: true }, { writableEnded: true }])('a response with %j is over', async state => {
  expect(await resultOf(whenRead(responseWith(state), behind))).toBe(false)
})
