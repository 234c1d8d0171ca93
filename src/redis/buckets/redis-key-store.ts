import type {
  BucketCheck,
  CheckGroup,
  Extension,
  ExtensionResult,
  GroupReading,
  KeyStore,
  Settlement,
  SettlementResult,
  Unfinished,
} from '../../check/ports.ts'
import type { Hold } from '../../domain/holds.ts'
import type { BucketReading } from '../../domain/reading.ts'
import type { Reservation } from '../../domain/reservation.ts'
import type { ReservationId } from '../../domain/reservation-id.ts'
import type { RedisClient } from '../connection/connection.ts'
import type { BucketKeys } from '../keys.ts'
import { readHolds } from './holds.ts'
import type { Protocol, Protocols } from './protocols.ts'
import { readString } from './read-string.ts'
import { Reservations } from './reservations.ts'

/** Asks a store of items. A result is `undefined` where the store was unavailable for it. */
export type Ask = <Item, Result>(
  protocol: Protocol<Item, Result>,
  items: readonly Item[],
) => Promise<readonly (Result | undefined)[]>

export interface RedisKeyStoreOptions {
  /** Reads what needs no script. */
  readonly redis: RedisClient
  readonly keys: BucketKeys
  readonly protocols: Protocols
  readonly ask: Ask
}

/** Everything that is kept of keys, in a Redis or in a part of a cluster. */
export class RedisKeyStore implements KeyStore {
  readonly #options: RedisKeyStoreOptions
  readonly #reservations: Reservations

  constructor(options: RedisKeyStoreOptions) {
    this.#options = options
    const { ask, protocols } = options
    this.#reservations = new Reservations({
      ask: calls => ask(protocols.reservations, calls),
      readRecords: ids => this.#readRecords(ids),
    })
  }

  check(checks: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]> {
    return this.#options.ask(this.#options.protocols.checks, checks)
  }

  async checkAll(groups: readonly CheckGroup[]): Promise<readonly (GroupReading | undefined)[]> {
    const readings = await this.#options.ask(this.#options.protocols.groups, groups)
    this.#reservations.rememberHeld(groups, readings)
    return readings
  }

  settle(settlements: readonly Settlement[]): Promise<readonly (SettlementResult | Unfinished | undefined)[]> {
    return this.#reservations.settle(settlements)
  }

  extend(extensions: readonly Extension[]): Promise<readonly (ExtensionResult | Unfinished | undefined)[]> {
    return this.#reservations.extend(extensions)
  }

  read(ids: readonly ReservationId[]): Promise<readonly (Reservation | null | Unfinished | undefined)[]> {
    return this.#reservations.read(ids)
  }

  holdsOf(key: string): Promise<readonly Hold[]> {
    const { redis, keys } = this.#options
    return readHolds(redis, keys, key)
  }

  /** What the bucket's reservations held is forgotten, too. */
  async reset(key: string): Promise<void> {
    const { ask, protocols } = this.#options
    const [isDone] = await ask(protocols.resets, [key])
    if (!isDone) throw new Error('the slot of the bucket is moving')
  }

  #readRecords(ids: readonly ReservationId[]) {
    const { redis, keys, protocols } = this.#options
    return Promise.all(ids.map(async id => protocols.readRecord(id, await readString(redis, keys.record(id)))))
  }
}
