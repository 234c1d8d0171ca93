import { Problem } from '../lib/errors.ts'
import { DamagedStore } from './ports.ts'

/**
 * Turns every error of the policy store into a problem for the caller: the store is unavailable, or what it holds is damaged.
 * @throws {Problem} `config-store-unavailable`
 */
export async function mapStoreErrors<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    if (cause instanceof DamagedStore) throw new Problem('config-store-unavailable', cause.message, { cause })
    throw new Problem('config-store-unavailable', 'the policy store is unavailable; try again', { cause })
  }
}
