import { type PolicyRecord, recordOf } from '../domain/policy-record.ts'
import { Problem } from '../lib/errors.ts'
import { mapStoreErrors } from './map-store-errors.ts'
import type { PolicyReader } from './ports.ts'

/** @throws {Problem} `policy-not-found` */
export async function readCurrent(reader: PolicyReader, key: string): Promise<PolicyRecord> {
  const record = await mapStoreErrors(reader.get(key))
  if (record === undefined) throw notFound('policy-not-found', key, `the key "${key}" has no policy`)
  return record
}

/**
 * Reads an earlier version of a policy.
 * @throws {Problem} `version-not-found`, also if the version is a deletion
 */
export async function readVersion(reader: PolicyReader, key: string, version: number): Promise<PolicyRecord> {
  const event = await mapStoreErrors(reader.version(key, version))
  if (event === undefined) throw notFound('version-not-found', key, `the key "${key}" has no version ${version}`)
  const record = recordOf(event)
  if (record === undefined) throw notFound('version-not-found', key, `version ${version} of "${key}" is its deletion`)
  return record
}

export function emptyHistory(key: string): Problem {
  return notFound('policy-not-found', key, `the key "${key}" never had a policy`)
}

/** Names the key, so that a caller notices a proxy that changed it in the path. */
function notFound(code: 'policy-not-found' | 'version-not-found', key: string, detail: string): Problem {
  return new Problem(code, detail, { members: { key } })
}
