import { Problem } from '../lib/errors.ts'
import { DamagedStore } from './damaged-store.ts'

/**
 * Turns every error of the policy store into a problem for the caller.
 * @throws {Problem} `config-store-unavailable`
 */
export async function mapStoreErrors<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw storeProblem(cause)
  }
}

/** Says that the store is unavailable, or that the requested data are damaged. Other problems stay as they are. */
export function storeProblem(cause: unknown): Problem {
  if (cause instanceof Problem) return cause
  const detail = cause instanceof DamagedStore ? cause.message : 'the policy store is unavailable; try again'
  return new Problem('config-store-unavailable', detail, { cause })
}
