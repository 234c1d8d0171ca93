import { beforeEach, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { PolicyFollower } from '../../../../src/config-change/follow/policy-follower.ts'
import {
  type EventLog,
  type LogPosition,
  LogReplaced,
  type PolicyChunk,
} from '../../../../src/config-change/log-ports.ts'
import { configPartition } from '../../../../src/domain/partition.ts'
import type { PolicyRecord } from '../../../../src/domain/policy-record.ts'
import { definitionOf } from '../../../support/policies.ts'

const KEPT = 'user:1'
const PARTITION = configPartition(KEPT)
/** Another key of the same partition. */
const [LOST = ''] = Array.from({ length: 100 }, (_, i) => `lost:${i}`).filter(key => configPartition(key) === PARTITION)

const recordOf = (key: string): PolicyRecord => ({
  key,
  version: 1,
  policy: definitionOf(),
  updatedAt: '2026-01-01T00:00:00.000Z',
  updatedBy: 'ops',
})
const positionOf = (...marks: string[]): LogPosition => ({
  position: marks.length,
  identity: 'one',
  eventMark: marks.at(-1) ?? null,
})

/** A store with one policy. Its log is the marks of its events. */
class Store implements EventLog {
  readonly marks = ['kept']
  keys = [KEPT]
  /** Called while the policies are read. */
  onReading: () => void = () => undefined

  async snapshot(partition: number) {
    return { at: positionOf(...this.marks), chunks: this.#chunks(partition) }
  }

  async *#chunks(partition: number): AsyncGenerator<PolicyChunk> {
    const logEnd = () => positionOf(...this.marks)
    const recordsOf = (keys: readonly string[]) => (partition === PARTITION ? keys.map(recordOf) : [])
    yield { records: recordsOf(this.keys.slice(0, 1)), logEnd: logEnd() }
    this.onReading()
    yield { records: recordsOf(this.keys.slice(1)), logEnd: logEnd() }
  }

  async read(_partition: number, after: LogPosition) {
    if (this.marks[after.position - 1] !== after.eventMark) throw new LogReplaced('the log holds another event')
    return { at: positionOf(...this.marks), entries: [], hasMore: false, logEvents: this.marks.length }
  }
}

let store: Store
let table: Map<string, Pick<PolicyRecord, 'version' | 'policy'>>
let replaced: number
let follower: PolicyFollower
beforeEach(() => {
  store = new Store()
  table = new Map()
  replaced = 0
  follower = new PolicyFollower({
    log: store,
    table: {
      get: key => table.get(key) as never,
      set: (key, version, policy) => void table.set(key, { version, policy }),
      delete: key => void table.delete(key),
      configKeys: () => table.keys(),
    },
    observer: { applied: () => undefined, followed: () => undefined, logReplaced: () => void replaced++ },
    onApplied: () => undefined,
    damage: { repaired: () => undefined },
    isTransient: () => false,
    logger: pino({ level: 'silent' }),
  })
})

/** A change during a load, which the rest of the load finds. */
function changeMeanwhile(): void {
  store.marks.push('lost')
  store.keys = [KEPT, LOST]
}

it('a load is kept if the log still has the changes that were made meanwhile', async () => {
  store.onReading = changeMeanwhile
  await follower.catchUp(PARTITION)
  expect([...table.keys()]).toEqual([KEPT, LOST])
  expect(replaced).toBe(0)
})

it('a load is repeated if a failover has lost a change that was made meanwhile', async () => {
  store.onReading = () => {
    changeMeanwhile()
    store.onReading = () => undefined
  }
  const read = store.read.bind(store)
  store.read = async (partition, after) => {
    store.marks.splice(1)
    store.keys = [KEPT]
    return read(partition, after)
  }
  await follower.catchUp(PARTITION)
  expect([...table.keys()]).toEqual([KEPT])
  expect(replaced).toBe(1)
})
