/** A limit of any kind. Another kind is another module in this folder, and an entry in the table here. */
import type { MemberFault } from '../member-fault.ts'
import { hash } from '../partition.ts'
import { CONCURRENCY, type CompiledConcurrency, type ConcurrencyLimit } from './concurrency.ts'
import { countFault, type LimitFault, MAX_COUNT, memberFault, type Unvalidated } from './limit-fault.ts'
import type { LimitKind } from './limit-kind.ts'
import { type CompiledQuota, QUOTA, type QuotaLimit } from './quota.ts'
import { isShadow, storedShadowFault } from './shadow.ts'
import { type CompiledTokenBucket, TOKEN_BUCKET, type TokenBucketLimit } from './token-bucket.ts'

export type Limit = TokenBucketLimit | QuotaLimit | ConcurrencyLimit
/** A limit as checks use it. */
export type CompiledLimit = CompiledTokenBucket | CompiledQuota | CompiledConcurrency

export const LIMIT_NAME = /^[a-z0-9_-]{1,32}$/

const KINDS = {
  bucket: TOKEN_BUCKET,
  quota: QUOTA,
  concurrency: CONCURRENCY,
}

/** A limit without a kind is a token bucket. */
const DEFAULT_KIND = 'bucket'

/** The members that a limit of this kind can have. */
export function limitMembers(limit: Limit): object {
  return kindOf(limit).members
}

/** The first member of a stored limit that is missing or malformed. */
export function storedLimitFault(value: unknown): MemberFault | undefined {
  if (typeof value !== 'object' || value === null) return memberFault('', value, 'an object')
  const { name, capacity, shadow } = value as Unvalidated<Limit>
  if (typeof name !== 'string' || !LIMIT_NAME.test(name)) {
    return memberFault('name', name, `a string like ${LIMIT_NAME.source}`)
  }
  return (
    countFault('capacity', capacity, MAX_COUNT) ??
    storedShadowFault(shadow) ??
    storedKindFault(value) ??
    kindOf(value as Limit).storedFault(value as Unvalidated<Limit>)
  )
}

function storedKindFault({ kind }: Unvalidated<Limit>): MemberFault | undefined {
  if (kind === undefined || Object.hasOwn(KINDS, String(kind))) return undefined
  return memberFault('kind', kind, `absent or one of ${Object.keys(KINDS).join(', ')}`)
}

/** Faults that the schema of a limit cannot express. */
export function limitFaults(limit: Limit): readonly LimitFault[] {
  return kindOf(limit).faults(limit)
}

export function sameLimits(a: readonly Limit[], b: readonly Limit[]): boolean {
  return a.length === b.length && a.every((limit, i) => limitText(limit) === limitText(b[i] as Limit))
}

/** The same text for equal limits only. No member of it contains a space. */
export function limitText(limit: Limit): string {
  return `${nameInBuckets(limit)} ${limit.capacity} ${isShadow(limit) ? 'shadow ' : ''}${kindOf(limit).textOf(limit)}`
}

export function compileLimits(limits: readonly Limit[]): readonly CompiledLimit[] {
  const ids = idsOf(limits.map(nameInBuckets))
  return limits.map(limit => kindOf(limit).compile(limit, ids.get(nameInBuckets(limit)) ?? RESERVED_ID))
}

function kindOf(limit: Limit): LimitKind<Limit, CompiledLimit> {
  return KINDS[limit.kind ?? DEFAULT_KIND] as LimitKind<Limit, CompiledLimit>
}

/** Limits are matched by name and kind, whether they are shadow limits or not. No name contains a colon. */
function nameInBuckets({ kind, name }: Limit): string {
  return kind === undefined ? name : `${kind}:${name}`
}

/** Reserved by the layout of a bucket. */
const RESERVED_ID = 0

/** The id of each name: its hash. Two names of one policy with the same hash get different ids, independent of their order. */
function idsOf(names: readonly string[]): ReadonlyMap<string, number> {
  const ids = new Map<string, number>()
  const taken = new Set<number>()
  for (const name of names.toSorted()) {
    let id = hash(name, 0, name.length)
    while (taken.has(id) || id === RESERVED_ID) id = (id + 1) >>> 0
    taken.add(id)
    ids.set(name, id)
  }
  return ids
}
