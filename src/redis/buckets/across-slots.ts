import type { Redis } from 'ioredis'
import { BUCKET_PARTITIONS } from '../../domain/partition.ts'
import { compilePolicy, NO_LIMITS } from '../../domain/policy.ts'
import type { Logger } from '../../observability/logger.ts'
import { isTransient } from '../connection/transient.ts'
import type { BucketKeys } from '../keys.ts'
import { CheckCall } from './check-call.ts'
import { NO_REPORT, readingsIn } from './check-reply.ts'
import { probeKeyIn } from './probe-keys.ts'

/** Reads a bucket of each partition, and spends nothing. */
const policy = compilePolicy('.', 0, { limits: NO_LIMITS, mode: 'enforce' })
const PROBES = Array.from({ length: BUCKET_PARTITIONS }, (_, partition) => ({
  key: probeKeyIn(partition),
  policy,
  tokens: 0,
}))

/**
 * Which masters take one call for buckets in several slots: Redis from 7.0 and Valkey do, unless a service refuses it. Each
 * connection is examined once, since the server behind an address may be replaced.
 * @see https://redis.io/docs/latest/develop/programmability/lua-api/#script-flags
 */
export class AcrossSlots {
  readonly #keys: BucketKeys
  readonly #logger: Logger
  readonly #supported = new WeakMap<Redis, boolean>()
  readonly #examining = new WeakSet<Redis>()
  /** The addresses of masters whose refusal was logged. */
  readonly #logged = new Set<string>()

  constructor(keys: BucketKeys, logger: Logger) {
    this.#keys = keys
    this.#logger = logger
  }

  /** `false` until the connection was examined. */
  isSupportedBy(connection: Redis): boolean {
    return this.#supported.get(connection) === true
  }

  /** The server behind the connection may be another one now. */
  forget(connection: Redis): void {
    this.#supported.delete(connection)
  }

  /** Examines a connection that is ready, unless its answer is known. */
  async examine(connection: Redis): Promise<void> {
    if (connection.status !== 'ready' || this.#supported.has(connection) || this.#examining.has(connection)) return
    this.#examining.add(connection)
    try {
      if (await this.#readsSeveral(connection)) this.#supported.set(connection, true)
    } catch (err) {
      if (!isTransient(err as Error)) this.#refused(connection, err as Error)
    } finally {
      this.#examining.delete(connection)
    }
  }

  /** Whether one call read buckets in several slots. A master that owns fewer than two partitions proves nothing. */
  async #readsSeveral(connection: Redis): Promise<boolean> {
    const call = new CheckCall({ checks: PROBES, keys: this.#keys, acrossSlots: true, withSource: true })
    const reply = (await connection.sendCommand(call)) as Buffer
    return readingsIn(reply, PROBES, NO_REPORT).filter(reading => reading !== undefined).length > 1
  }

  #refused(connection: Redis, { message }: Error): void {
    this.#supported.set(connection, false)
    const master = `${connection.options.host}:${connection.options.port}`
    if (this.#logged.has(master)) return
    this.#logged.add(master)
    this.#logger.warn(
      { master, reason: message },
      'the master takes no call for buckets in several slots, so each batch costs a call for each partition in it',
    )
  }
}
