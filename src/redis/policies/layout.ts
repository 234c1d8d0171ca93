import { BUCKET_PARTITIONS, CONFIG_PARTITIONS } from '../../domain/partition.ts'
import { OperatorError } from '../../lib/operator-error.ts'
import type { RedisClient } from '../connection/connection.ts'
import { layoutKey } from '../keys.ts'

const LAYOUT = `${BUCKET_PARTITIONS} bucket partitions, ${CONFIG_PARTITIONS} config partitions`

/** The Redis type of a layout in every release: anything else is none. */
const LAYOUT_TYPE = 'string'

/** The store was filled by a release that distributes keys differently. */
export class LayoutMismatch extends OperatorError {}

/**
 * Records the numbers of partitions, or compares them with the recorded ones. Writes nothing if they are recorded: the store may refuse
 * writes.
 * @throws {LayoutMismatch}
 */
export async function claimLayout(redis: RedisClient, keyPrefix: string): Promise<void> {
  const key = layoutKey(keyPrefix)
  const type = await redis.type(key)
  if (type === 'none') await redis.set(key, LAYOUT, 'NX')
  else if (type !== LAYOUT_TYPE) await redis.set(key, LAYOUT)
  await compareLayout(redis, keyPrefix)
}

/** @throws {LayoutMismatch} if another layout is recorded */
export async function compareLayout(redis: RedisClient, keyPrefix: string): Promise<void> {
  const key = layoutKey(keyPrefix)
  const recorded = (await redis.type(key)) === LAYOUT_TYPE ? await redis.get(key) : null
  if (recorded === null || recorded === LAYOUT) return
  throw new LayoutMismatch(
    `the policy store was filled with ${recorded}; this release has ${LAYOUT}. Give it another KEY_PREFIX`,
  )
}
