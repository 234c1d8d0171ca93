import { beforeEach, describe, expect, it } from '@jest/globals'
import { CircuitBreakerStore } from '../../../src/check/circuit-breaker-store.ts'
import { OutageClock } from '../../../src/check/outage-clock.ts'
import {
  type CheckGroup,
  type CheckObserver,
  type GroupReading,
  type KeyStore,
  type SettlementResult,
  UNFINISHED,
} from '../../../src/check/ports.ts'
import { ReservationQueue } from '../../../src/check/reservation-queue.ts'
import type { Policy } from '../../../src/domain/policy.ts'
import type { Reservation } from '../../../src/domain/reservation.ts'
import { type ReservationId, recordPartition, reservationId } from '../../../src/domain/reservation-id.ts'
import type { Logger } from '../../../src/observability/logger.ts'
import { replyTo } from '../../support/answer-to.ts'
import { SpecifiedStore } from '../../support/in-memory/specified-store.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

const TIMEOUT_MS = 200
const policy = policyOf('*')

/** A store that records its calls, and fails as the test says. */
class RecordingStore extends SpecifiedStore {
  readonly calls: string[] = []
  failure: Error | undefined
  isHung = false

  override async checkAll(groups: Parameters<KeyStore['checkAll']>[0]) {
    await this.#called('checkAll', groups)
    return super.checkAll(groups)
  }

  override async settle(settlements: Parameters<KeyStore['settle']>[0]) {
    await this.#called('settle', settlements)
    return super.settle(settlements)
  }

  override async read(ids: Parameters<KeyStore['read']>[0]) {
    await this.#called('read', ids)
    return super.read(ids)
  }

  async #called(name: string, items: readonly unknown[]): Promise<void> {
    this.calls.push(`${name} ${items.length}`)
    if (this.failure !== undefined) throw this.failure
    if (this.isHung) await new Promise(() => undefined)
  }
}

let stores: readonly [RecordingStore, RecordingStore]
let queue: ReservationQueue
beforeEach(() => {
  stores = [new RecordingStore(), new RecordingStore()]
  const guards = stores.map(store => guarded(store))
  queue = new ReservationQueue({
    storeOf: key => guards[key.startsWith('b') ? 1 : 0] as CircuitBreakerStore,
    storeOfReservation: id => guards[recordPartition(id) % 2] as CircuitBreakerStore,
    timeoutMs: TIMEOUT_MS,
  })
})

function guarded(store: KeyStore): CircuitBreakerStore {
  return new CircuitBreakerStore(store, {
    timeoutMs: TIMEOUT_MS,
    hangTimeoutMs: TIMEOUT_MS,
    reasonOf: () => 'other',
    explain: () => 'it failed',
    refusesWrites: () => false,
    watchReplies: () => () => undefined,
    onOpened: () => undefined,
    outage: new OutageClock(() => 0, 0),
    observer: { storeCalled: () => undefined } as Partial<CheckObserver> as CheckObserver,
    logger: { error: () => undefined } as Partial<Logger> as Logger,
  })
}

const check = (...keys: string[]) => checkBy(policy, ...keys)
const checkBy = (policy: Policy, ...keys: string[]) => ask(groupOf(policy, keys))
const groupOf = (policy: Policy, keys: readonly string[]): CheckGroup => ({
  checks: keys.map(key => ({ key, policy, tokens: 1 })),
  shadowed: keys.map(() => false),
})
const ask = (group: CheckGroup) => replyTo<GroupReading>(onReading => queue.checkAll(group, onReading))
const idIn = (parity: 0 | 1): ReservationId => {
  for (let i = 0; ; i++) {
    const id = reservationId(`key ${i}`, 'a'.repeat(22))
    if (recordPartition(id) % 2 === parity) return id
  }
}
const settle = (id: ReservationId) =>
  replyTo<SettlementResult>(onResult => queue.settle({ id, amounts: 1, policyOf: () => policy }, onResult))
const read = (id: ReservationId) => replyTo<Reservation | null>(onReservation => queue.read(id, onReservation))

describe('the calls on reservations of one turn of the event loop', () => {
  it('go out as one call of each kind to each part of the store', async () => {
    const results = await Promise.all([
      check('a', 'a2'),
      check('b'),
      check('a'),
      settle(idIn(0)),
      settle(idIn(0)),
      settle(idIn(1)),
      read(idIn(1)),
    ])
    expect(stores.map(({ calls }) => calls.toSorted())).toEqual([
      ['checkAll 2', 'settle 2'],
      ['checkAll 1', 'read 1', 'settle 1'],
    ])
    expect(results.slice(0, 3)).toMatchObject([{ allowed: true }, { allowed: true }, { allowed: true }])
    expect(results.slice(3)).toEqual([...Array(3).fill({ status: 'not-found' }), null])
  })

  it('are limited to 64 in a call', async () => {
    await Promise.all(Array.from({ length: 130 }, () => check('a')))
    expect(stores[0].calls).toEqual(['checkAll 64', 'checkAll 64', 'checkAll 2'])
  })

  it('are fewer in a call if they are of many keys', async () => {
    const keys = Array.from({ length: 16 }, (_, i) => `a${i}`)
    await Promise.all([...Array.from({ length: 17 }, () => check(...keys)), check('a')])
    expect(stores[0].calls).toEqual(['checkAll 16', 'checkAll 2'])
  })
})

describe('reservations of many keys', () => {
  it('are fewer in a call than checks of them, since a hold costs more than a check', async () => {
    const keys = Array.from({ length: 16 }, (_, i) => `a${i}`)
    const id = idIn(0)
    const named = keys.map(key => ({ key, tokens: 1 }))
    const hold = { id, named, ttlMs: 1_000, onExpiry: 'release' as const, fingerprint: 'f' }
    await Promise.all(Array.from({ length: 5 }, () => ask({ ...groupOf(policy, keys), hold })))
    expect(stores[0].calls).toEqual(['checkAll 4', 'checkAll 1'])
  })
})

describe('groups of checks by many limits', () => {
  it('are fewer in a call', async () => {
    const limits = Array.from({ length: 8 }, (_, i) => limitOf({ name: `limit-${i}` }))
    const several = policyOf('several', { limits })
    await Promise.all(Array.from({ length: 17 }, () => checkBy(several, 'a1', 'a2', 'a3', 'a4')))
    expect(stores[0].calls).toEqual(['checkAll 16', 'checkAll 1'])
  })
})

describe('a call that is unfinished', () => {
  it('is asked again until it is decided, while others of its call have their replies', async () => {
    const [late, other] = [idIn(0), reservationId('other', 'b'.repeat(22))]
    const calls: (readonly ReservationId[])[] = []
    const store: Pick<KeyStore, 'read'> = {
      read: async ids => {
        calls.push(ids)
        return ids.map(id => (id === late && calls.length < 3 ? UNFINISHED : null))
      },
    }
    const partOf = () => store as KeyStore
    const reads = new ReservationQueue({ storeOf: partOf, storeOfReservation: partOf, timeoutMs: 60_000 })
    const replies: ReservationId[] = []
    const ask = (id: ReservationId) =>
      new Promise<void>(resolve => {
        reads.read(id, reservation => {
          expect(reservation).toBeNull()
          replies.push(id)
          resolve()
        })
      })
    await Promise.all([ask(late), ask(other)])
    expect(calls).toEqual([[late, other], [late], [late]])
    expect(replies).toEqual([other, late])
  })

  it('has no reply if it is not decided in time', async () => {
    const store: Pick<KeyStore, 'read'> = { read: async ids => ids.map(() => UNFINISHED) }
    const partOf = () => store as KeyStore
    const reads = new ReservationQueue({ storeOf: partOf, storeOfReservation: partOf, timeoutMs: 20 })
    const reply = replyTo<Reservation | null>(onReservation => reads.read(idIn(0), onReservation))
    expect(await reply).toBeUndefined()
  })
})

describe('a part of the store that fails or hangs', () => {
  it('has no reply, and the others are not affected', async () => {
    stores[0].failure = new Error('down')
    expect(await Promise.all([check('a'), settle(idIn(0)), check('b')])).toMatchObject([
      undefined,
      undefined,
      { allowed: true },
    ])
    stores[0].failure = undefined
    stores[0].isHung = true
    expect(await check('a')).toBeUndefined()
  })

  it('is not asked while its circuit is open', async () => {
    stores[0].failure = new Error('down')
    for (let i = 0; i < 5; i++) await check('a')
    expect(await settle(idIn(0))).toBeUndefined()
    expect(await queue.holdsOf('a')).toBeUndefined()
    expect(stores[0].calls).toEqual(Array(5).fill('checkAll 1'))
    expect(await queue.holdsOf('b')).toEqual([])
  })
})
