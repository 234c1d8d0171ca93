import { Problem } from '../errors.ts'

/** Whatever fails in the config store, callers are told that it is away, and may repeat what they asked. */
export async function orUnavailable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new Problem('config-store-unavailable', 'the store of policies cannot be asked; try again', { cause })
  }
}
