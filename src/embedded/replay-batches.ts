import { parseCommandId, partitionOf } from '../domain/command-id.ts'
import type { AppliedCommand, Effect } from '../domain/outcome.ts'
import { CONFIG_PARTITIONS, configPartition } from '../domain/partition.ts'
import { ConfigKeys, idempotencyKeyOf } from '../redis/keys.ts'
import { DEDUP_GRACE_MS } from '../redis/policies/append.ts'
import type { RetentionOptions } from '../redis/policies/retention.ts'
import { type Command, type EncodedCommands, encode } from './commands.ts'
import { damagedLine, type JournalEntry, type JournalFile, readEntries } from './journal-lines.ts'
import type { LogEnd } from './log-end.ts'
import { ReplayedPolicies } from './replayed-policies.ts'
import { VersionChain } from './version-chain.ts'

/** The store can do other work between two batches. */
const EVENTS_PER_BATCH = 250

/** A journal, and where and for how long the records of its commands are stored. */
export interface ReplaySource extends RetentionOptions, JournalFile {}

/** Commands that store some events. */
export interface ReplayBatch extends EncodedCommands {
  /** Events up to and including this batch. */
  readonly events: number
  /** The end of each partition's log after this batch. */
  readonly ends: readonly LogEnd[]
  /** The positions up to which the logs in the store were compacted when the last of these events was written. */
  readonly compactedTo: readonly number[]
}

/**
 * The commands that fill an empty store from a journal. They have the same effect as `append.lua`, in fewer steps and without
 * announcements; a test compares the two.
 */
export class ReplayBatches implements Iterable<ReplayBatch> {
  readonly #source: ReplaySource
  readonly #versions = new VersionChain()
  readonly #partitions: readonly ConfigKeys[]
  readonly #ends: LogEnd[]
  #compactedTo: readonly number[]
  /** By partition. */
  readonly #policies: readonly ReplayedPolicies[]

  constructor(source: ReplaySource) {
    this.#source = source
    this.#partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, n) => new ConfigKeys(source.keyPrefix, n))
    this.#policies = this.#partitions.map(keys => new ReplayedPolicies(keys))
    this.#compactedTo = source.header.compactedTo
    this.#ends = source.header.compactedTo.map(position => ({ position, event: null }))
  }

  /** @throws {CannotStart} at a line that is damaged or cannot follow those before it */
  *[Symbol.iterator](): Generator<ReplayBatch> {
    let commands = this.#headCommands()
    let events = 0
    for (const entry of readEntries(this.#source)) {
      const hadPolicy = this.#versions.hasPolicy(entry.event.key, entry.event.at)
      this.#check(entry)
      this.#compactedTo = entry.compactedTo ?? this.#compactedTo
      commands.push(...this.#commandsOf(entry), ...this.#memories(entry, effectOf(entry, hadPolicy)))
      if (++events % EVENTS_PER_BATCH !== 0) continue
      yield this.#batch(commands, events)
      commands = []
    }
    yield this.#batch(commands, events)
  }

  #headCommands(): Command[] {
    const { identities, compactedTo } = this.#source.header
    return this.#partitions.flatMap((keys, partition) => [
      ['SET', keys.identity, identities[partition] ?? ''],
      ['SET', keys.compactedTo, compactedTo[partition] ?? 0],
    ])
  }

  #batch(commands: readonly Command[], events: number): ReplayBatch {
    const policies = this.#policies.flatMap(policies => policies.take())
    return { ...encode([...commands, ...policies]), events, ends: [...this.#ends], compactedTo: this.#compactedTo }
  }

  #check({ event, position, line }: JournalEntry): void {
    const { path, header } = this.#source
    const { key, version } = event
    const compactedTo = header.compactedTo[configPartition(key)] as number
    if (position !== undefined && position > compactedTo) {
      const allowed = `at most ${compactedTo}, as "compactedTo" says of its partition`
      throw damagedLine(path, line, `"position" must be ${allowed} (got ${position})`)
    }
    const expected = position === undefined ? this.#versions.accept(event) : this.#versions.acceptCompacted(event)
    if (expected === undefined) return
    throw damagedLine(path, line, `it has version ${version} of ${JSON.stringify(key)} instead of ${expected}`)
  }

  #commandsOf({ event, text, position }: JournalEntry): Command[] {
    const { key, version } = event
    const partition = configPartition(key)
    const keys = this.#partitions[partition] as ConfigKeys
    this.#policies[partition]?.add(event)
    if (position !== undefined) {
      const record = JSON.stringify({ position, event })
      return [
        ['HSET', keys.snapshot, key, record],
        ['ZADD', keys.versions(key), version, position],
      ]
    }
    const end = { position: (this.#ends[partition]?.position ?? 0) + 1, event: text }
    this.#ends[partition] = end
    return [
      ['XADD', keys.log, `${end.position}-0`, 'event', text],
      ['ZADD', keys.versions(key), version, end.position],
    ]
  }

  /** The outcome and the idempotency key of the event's command, if they are still retained. */
  #memories({ event }: JournalEntry, effect: Effect): Command[] {
    const { keyPrefix, retentionMs } = this.#source
    const { key, version, actor, at, commandId, idempotency } = event
    // An event is not kept for longer because the clock was ahead when it was made.
    const keptForMs = Math.min(Date.parse(at) - Date.now(), 0) + retentionMs
    if (!(keptForMs > 0)) return []
    const commands: Command[] = []
    // An import has many keys; this is one of them.
    const id = parseCommandId(commandId)
    if (id !== undefined) {
      const outcome: AppliedCommand = { id, key, status: 'applied', version, effect }
      const name = new ConfigKeys(keyPrefix, partitionOf(id)).outcome(id)
      commands.push(['SET', name, JSON.stringify(outcome), 'PX', keptForMs + DEDUP_GRACE_MS])
    }
    if (idempotency !== undefined) {
      const name = idempotencyKeyOf(keyPrefix, { actor, key: idempotency.key })
      const claim = { commandId, fingerprint: idempotency.fingerprint, isEnded: true }
      commands.push(['SET', name, JSON.stringify(claim), 'PX', keptForMs])
    }
    return commands
  }
}

/** The events before a compacted one are gone, so its type says whether the policy was new. */
function effectOf({ event, position }: JournalEntry, hadPolicy: boolean): Effect {
  if (event.policy === null) return 'deleted'
  const isNew = position === undefined ? !hadPolicy : event.type === 'created'
  return isNew ? 'created' : 'changed'
}
