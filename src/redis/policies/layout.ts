import { BUCKET_PARTITIONS, CONFIG_PARTITIONS } from '../../domain/partition.ts'
import { OperatorError } from '../../lib/operator-error.ts'
import type { RedisClient } from '../connection/connection.ts'
import { layoutKey } from '../keys.ts'

const LAYOUT = `${BUCKET_PARTITIONS} bucket partitions, ${CONFIG_PARTITIONS} config partitions`

/** The store was filled by a release that distributes keys differently. */
export class LayoutMismatch extends OperatorError {}

/**
 * Records the numbers of partitions, or compares them with the recorded ones.
 * @throws {LayoutMismatch}
 */
export async function claimLayout(redis: RedisClient, keyPrefix: string): Promise<void> {
  const key = layoutKey(keyPrefix)
  // Every release writes a string, so anything else is not a layout.
  if (isLayout(await redis.type(key))) await redis.set(key, LAYOUT, 'NX')
  else await redis.set(key, LAYOUT)
  await compareLayout(redis, keyPrefix)
}

/** @throws {LayoutMismatch} if another layout is recorded */
export async function compareLayout(redis: RedisClient, keyPrefix: string): Promise<void> {
  const key = layoutKey(keyPrefix)
  const recorded = isLayout(await redis.type(key)) ? await redis.get(key) : null
  if (recorded === null || recorded === LAYOUT) return
  throw new LayoutMismatch(
    `the policy store was filled with ${recorded}; this release has ${LAYOUT}. Give it another KEY_PREFIX`,
  )
}

/** Whether a key of this Redis type holds a layout, or none yet. */
function isLayout(type: string): boolean {
  return type === 'string' || type === 'none'
}
