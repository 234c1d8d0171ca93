import { beforeEach, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { type QueueObservation, type QueueState, QueueWatch } from '../../../src/queues/queue-watch.ts'

const EMPTY: QueueState = { isPaused: false, first: undefined, lease: null }
const WAITING: QueueState = { ...EMPTY, first: 'a' }

let found: QueueState | Error
let hasWorker: boolean
let nowMs: number
let said: string[]
let watch: QueueWatch
let observed: readonly QueueObservation[]

beforeEach(() => {
  found = EMPTY
  hasWorker = true
  nowMs = 0
  said = []
  observed = []
  watch = newWatch()
})

function newWatch(): QueueWatch {
  return new QueueWatch({
    partitions: 1,
    stateOf: async () => {
      if (found instanceof Error) throw found
      return found
    },
    hasWorker: async () => hasWorker,
    isTransient: ({ message }) => message === 'the connection is lost',
    onInspected: observations => {
      observed = observations
    },
    logger: pino({ base: null, timestamp: false }, { write: line => void said.push(JSON.parse(line).msg) }),
    now: () => nowMs,
  })
}

/** The watch of a process that replaces the one whose observations are the last. */
function replaceWatch(): void {
  watch = newWatch()
  watch.resume(JSON.parse(JSON.stringify(observed)))
}

/** Inspects the queue every second for this long. */
async function watchFor(seconds: number): Promise<void> {
  for (let i = 0; i <= seconds; i++) {
    await watch.inspectAll()
    nowMs += 1000
  }
}

it.each([
  ['is paused, even if no change waits', { ...EMPTY, isPaused: true }, true, 'queue-paused'],
  ['is paused', { ...WAITING, isPaused: true }, true, 'queue-paused'],
  ['has no worker', WAITING, false, 'no-worker'],
  ['has commands that no worker takes', WAITING, true, 'queue-stalled'],
  ['cannot be read', new Error('WRONGTYPE'), true, 'queue-unreadable'],
])(
  'the watch reports once why the commands of a queue that %s are not processed',
  async (_, state, workers, reason) => {
    found = state
    hasWorker = workers
    await watchFor(9)
    expect([watch.reason, said]).toEqual([undefined, []])
    await watchFor(20)
    expect(watch.reason).toBe(reason)
    expect(said).toHaveLength(1)

    found = EMPTY
    await watchFor(0)
    expect(watch.reason).toBeUndefined()
    expect(said.slice(1)).toEqual(['changes no longer wait for their queue'])
  },
)

it.each([
  ['is empty', EMPTY],
  ['has a command that takes long', { ...WAITING, lease: 'held' }],
  ['is in a store that is unavailable', new Error('the connection is lost')],
])('the watch reports nothing about a queue that %s', async (_, state) => {
  found = state
  await watchFor(60)
  expect([watch.reason, said]).toEqual([undefined, []])
})

it('the watch reports nothing while waiting commands are taken one after another', async () => {
  for (let i = 0; i < 60; i++) {
    found = { ...WAITING, first: `${i}` }
    await watchFor(5)
  }
  expect([watch.reason, said]).toEqual([undefined, []])
})

it('the watch reports a command that workers take again and again, each time with a new lease', async () => {
  for (let i = 0; i < 11; i++) {
    found = { ...WAITING, lease: i % 3 === 0 ? null : `${i}` }
    await watchFor(0)
  }
  expect(watch.reason).toBe('queue-stalled')
})

it.each([
  ['waits', WAITING, 60_000],
  ['waits in a paused queue', { ...WAITING, isPaused: true }, 60_000],
  ['is taken by a worker', { ...WAITING, lease: 'held' }, 60_000],
  ['may wait in a queue that cannot be read', new Error('WRONGTYPE'), 60_000],
  ['cannot wait, since the queue is empty', EMPTY, 0],
  ['cannot wait, since the queue is empty, although it is paused', { ...EMPTY, isPaused: true }, 0],
  ['may wait in a store that is unavailable', new Error('the connection is lost'), undefined],
])('the watch knows for how long the first command %s', async (_, state, waitedMs) => {
  found = state
  await watchFor(60)
  expect(watch.waitsMs.get(0)).toBe(waitedMs)
})

it('the watch counts again from 0 once another command is the first', async () => {
  found = WAITING
  await watchFor(60)
  found = { ...WAITING, first: 'b' }
  await watchFor(5)
  expect(watch.waitsMs).toEqual(new Map([[0, 5_000]]))
})

it.each([
  ['waits', WAITING, 'queue-stalled'],
  ['waits in a paused queue', { ...WAITING, isPaused: true }, 'queue-paused'],
])('the watch remembers a command that %s while the store is unavailable', async (_, state, reason) => {
  found = state
  await watchFor(29)
  found = new Error('the connection is lost')
  await watchFor(29)
  expect([watch.reason, watch.waitsMs.get(0)]).toEqual([undefined, undefined])
  found = state
  await watchFor(0)
  expect([watch.reason, watch.waitsMs.get(0)]).toEqual([reason, 60_000])
  expect(said).toHaveLength(1)
})

it('the watch gives workers time after the store was unavailable', async () => {
  found = WAITING
  await watchFor(4)
  found = new Error('the connection is lost')
  await watchFor(29)
  found = WAITING
  await watchFor(8)
  expect([watch.reason, said]).toEqual([undefined, []])
  await watchFor(3)
  expect(watch.reason).toBe('queue-stalled')
})

it('the watch names the new reason at once if a queue with waiting commands is paused, and gives workers time once it is resumed', async () => {
  found = WAITING
  hasWorker = false
  await watchFor(20)
  expect(watch.reason).toBe('no-worker')
  found = { ...WAITING, isPaused: true }
  await watchFor(0)
  expect([watch.reason, watch.waitsMs.get(0)]).toEqual(['queue-paused', 21_000])
  found = WAITING
  await watchFor(8)
  expect([watch.reason, watch.waitsMs.get(0)]).toEqual([undefined, 30_000])
  await watchFor(3)
  expect(watch.reason).toBe('no-worker')
})

it('the watch of a new process continues what the earlier one has reported', async () => {
  found = WAITING
  hasWorker = false
  await watchFor(20)
  replaceWatch()
  expect([watch.reason, watch.waitsMs.get(0)]).toEqual(['no-worker', 20_000])
  await watchFor(0)
  expect([watch.reason, watch.waitsMs.get(0), said.length]).toEqual(['no-worker', 21_000, 1])
  found = EMPTY
  await watchFor(0)
  expect([watch.reason, said.slice(1)]).toEqual([undefined, ['changes no longer wait for their queue']])
})

it.each([
  ['waits', { ...WAITING }, 'queue-stalled'],
  ['waits for a worker that lives', { ...WAITING, lease: 'held' }, undefined],
  ['is another one', { ...WAITING, first: 'b' }, undefined],
])('the watch of a new process counts the time before it if the first command %s', async (_, state, reason) => {
  found = { ...state, first: 'a' }
  await watchFor(6)
  replaceWatch()
  found = state
  await watchFor(4)
  expect(watch.reason).toBe(reason)
})

it('the watch of a new process gives workers time after the store was unavailable', async () => {
  found = WAITING
  await watchFor(4)
  found = new Error('the connection is lost')
  await watchFor(29)
  replaceWatch()
  expect(watch.waitsMs.get(0)).toBeUndefined()
  found = WAITING
  await watchFor(8)
  expect([watch.reason, watch.waitsMs.get(0)]).toEqual([undefined, 43_000])
  await watchFor(3)
  expect(watch.reason).toBe('queue-stalled')
})
