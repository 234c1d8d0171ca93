import { withDeadline } from '../lib/deadline.ts'
import { Problem } from '../lib/errors.ts'

/** Longest time of one call, in ms. */
const TIMEOUT_MS = 2_000

/** The answer of the bucket store. @throws {Problem} `store-unavailable` */
export async function readStore<T>(answer: Promise<T>): Promise<T> {
  try {
    return await withDeadline(answer, TIMEOUT_MS)
  } catch (cause) {
    throw new Problem('store-unavailable', 'the bucket store is unavailable; try again', { cause })
  }
}
