import { CallFailure } from './call.ts'
import { readByKey } from './read-by-key.ts'
import type { StoredPolicy } from './types.ts'

/** A policy as it is stored, with the tag that a change must match; both undefined if there is none. */
export interface Seen {
  readonly policy: StoredPolicy | undefined
  readonly etag: string | undefined
}

export async function readPolicy(key: string, signal?: AbortSignal): Promise<Seen> {
  try {
    const { body, etag } = await readByKey<StoredPolicy>({ collection: 'config', key }, { signal })
    return { policy: body, etag }
  } catch (err) {
    if (err instanceof CallFailure && err.code === 'policy-not-found') return { policy: undefined, etag: undefined }
    throw err
  }
}
