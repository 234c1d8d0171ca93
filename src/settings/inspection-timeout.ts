import type { Env } from './env.ts'

/** At least, in ms: changes also work with a policy store that answers too late for a check. */
const MIN_TIMEOUT_MS = 400

/** How long an inspection of the stores for `/health` and `/metrics` waits for the policy store, in ms. */
export function inspectionTimeoutMs({ REDIS_TIMEOUT_MS }: Pick<Env, 'REDIS_TIMEOUT_MS'>): number {
  return Math.max(MIN_TIMEOUT_MS, REDIS_TIMEOUT_MS)
}
