import { Problem } from '../lib/errors.ts'
import { DamagedStore } from './ports.ts'

/** Whatever fails in the config store, callers are told that it is unavailable, or that what they ask for is damaged. */
export async function mapStoreErrors<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    if (cause instanceof DamagedStore) throw new Problem('config-store-unavailable', cause.message, { cause })
    throw new Problem('config-store-unavailable', 'the store of policies cannot be asked; try again', { cause })
  }
}
