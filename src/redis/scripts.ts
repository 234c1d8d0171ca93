import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script, in the shape in which ioredis defines a command. */
export interface Script {
  readonly lua: string
  /** SHA-1 in hex, by which Redis finds a script that it has seen before. */
  readonly sha: string
}

/** @param preludes files that come before the script, with functions that it uses */
function load(name: string, ...preludes: readonly string[]): Script {
  const lua = [...preludes, name].map(read).join('')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

function read(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
}

/** Parts of the scripts of buckets, in order: what every call needs, what few calls need, and what very few need. */
const COMMON_PARTS = ['clock', 'reply', 'limits']
const COMPACT_PARTS = ['names', 'compact']
const UNCOMMON_PARTS = ['quota', 'concurrency']
const EXTENDED_PARTS = [
  ...['extended', 'bucket-lifetime', 'bucket-layout', 'charges', 'shortfalls', 'expiries', 'holds'],
  ...['held-alone', 'held-same', 'other-entries', 'overdraft', 'bucket', 'general'],
]

/** Most checks need less than the parts for compact buckets, most calls on reservations no more than that. */
const CHECK_PARTS = [...COMMON_PARTS, 'uncommon', ...COMPACT_PARTS, ...UNCOMMON_PARTS, ...EXTENDED_PARTS]
const PARTS_WITH_COMPACT = [...COMMON_PARTS, ...COMPACT_PARTS, 'uncommon', ...UNCOMMON_PARTS, ...EXTENDED_PARTS]
const RESERVATION_PARTS = [...PARTS_WITH_COMPACT, 'records', 'call-arguments']

/** What uncommon calls on reservations need. */
const UNCOMMON_CALL_PARTS = ['uncommon-calls', 'record-tables']

/** A script of buckets, for keys in different places. */
export interface BucketScript {
  /** For keys in one slot of a cluster, or on a server that is not in a cluster. */
  readonly inOneSlot: Script
  /** For keys in any slots of one master. */
  readonly acrossSlots: Script
}

function loadForBuckets(name: string, ...parts: readonly string[]): BucketScript {
  return {
    inOneSlot: load(name, 'keys-declared', ...parts),
    acrossSlots: load(name, 'keys-as-arguments', ...parts),
  }
}

export const checkScript = loadForBuckets('check', ...CHECK_PARTS)
export const checkGroupsScript = loadForBuckets(
  'check-groups',
  ...RESERVATION_PARTS,
  'decide-simply',
  ...UNCOMMON_CALL_PARTS,
)
export const reservationsScript = loadForBuckets(
  'reservations',
  ...RESERVATION_PARTS,
  'settle-simply',
  ...UNCOMMON_CALL_PARTS,
  'reserved-key',
)
export const resetScript = loadForBuckets('reset', ...PARTS_WITH_COMPACT)
export const appendScript = load('append', 'wrong-type', 'is-position', 'denial', 'refused-attempt')
export const failScript = load('fail', 'wrong-type')
export const claimIdempotencyKeyScript = load('claim-idempotency-key', 'read-claim')
export const keepIdempotencyKeyScript = load('keep-idempotency-key', 'read-claim')
export const endIdempotencyKeyScript = load('end-idempotency-key', 'read-claim')
export const foldScript = load('fold', 'wrong-type', 'event-mark', 'denial', 'refused-attempt')
export const sealImportScript = load('seal-import', 'wrong-type')
export const scanScript = load('scan', 'wrong-type')
export const replaceScript = load('replace', 'wrong-type', 'event-mark', 'denial', 'refused-attempt')
export const missingRightScript = load('missing-right')
export const readTogetherScript = load('read-together', 'denial')
export const returnAbandonedScript = load('return-abandoned')
export const readQuotaCountsScript = load('read-quota-counts', 'clock', 'names')
export const evictBucketsScript = load('evict-buckets')
export const addDenialsScript = load('add-denials')
export const addKeyCountsScript = load('add-key-counts')
export const repairLogScript = load('repair-log', 'is-position', 'denial', 'refused-attempt')
