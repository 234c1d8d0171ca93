import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseCommandId, partitionOf } from '../domain/command-id.ts'
import type { AppliedCommand, Effect } from '../domain/outcome.ts'
import { configPartition } from '../domain/partition.ts'
import type { Logger } from '../observability/logger.ts'
import { ConfigKeys, idempotencyKeyOf } from '../redis/keys.ts'
import { DEDUP_GRACE_MS } from '../redis/policies/append.ts'
import type { RetentionOptions } from '../redis/policies/retention.ts'
import type { Command, InProcessConnection } from './in-process-connection.ts'
import type { Journal } from './journal.ts'
import { damagedLine, type JournalEntry } from './journal-lines.ts'
import { ReplayedPolicies } from './replayed-policies.ts'
import { VersionChain } from './version-chain.ts'

/** Events per batch; the process can do other work between two batches. */
const EVENTS_PER_BATCH = 250

const PROGRESS_INTERVAL_MS = 2_000

interface ReplayOptions extends RetentionOptions {
  readonly partitions: readonly ConfigKeys[]
  readonly logger: Logger
}

/** The last event of a log: its position and its text. */
export interface LogEnd {
  readonly position: number
  /** `null` if the log has no event. */
  readonly event: string | null
}

/**
 * Fills an empty store from the journal. Has the same effect as `append.lua`, in fewer steps and without announcements; a test
 * compares the two.
 */
export class Replay {
  readonly #options: ReplayOptions
  readonly #versions = new VersionChain()
  readonly #ends: LogEnd[]
  /** By partition. */
  readonly #policies: readonly ReplayedPolicies[]
  readonly #startedAt = performance.now()
  #reportedAt = performance.now()

  private constructor(journal: Journal, options: ReplayOptions) {
    this.#options = options
    this.#policies = options.partitions.map(keys => new ReplayedPolicies(keys))
    this.#ends = journal.header.compactedTo.map(position => ({ position, event: null }))
  }

  /** Resolves with the end of each partition's log. @throws {CannotStart} at a line that cannot follow those before it */
  static async fill(store: InProcessConnection, journal: Journal, options: ReplayOptions): Promise<LogEnd[]> {
    const replay = new Replay(journal, options)
    store.pipeline(
      options.partitions.flatMap(({ identity, compactedTo }, partition) => [
        ['SET', identity, journal.header.identities[partition] ?? ''],
        ['SET', compactedTo, journal.header.compactedTo[partition] ?? 0],
      ]),
    )
    await replay.#run(store, journal)
    return replay.#ends
  }

  async #run(store: InProcessConnection, journal: Journal): Promise<void> {
    let commands: Command[] = []
    let entries = 0
    for (const entry of journal.entries()) {
      const hadPolicy = this.#versions.hasPolicy(entry.event.key)
      this.#check(entry, journal)
      commands.push(...this.#commandsOf(entry), ...this.#memories(entry, effectOf(entry, hadPolicy)))
      if (++entries % EVENTS_PER_BATCH !== 0) continue
      store.pipeline([...commands, ...this.#takePolicies()])
      commands = []
      this.#report(entries, journal.entryCount)
      await nextTurn()
    }
    store.pipeline([...commands, ...this.#takePolicies()])
    const ms = Math.round(performance.now() - this.#startedAt)
    if (entries > 0) this.#options.logger.info({ events: entries, ms }, 'the journal was replayed')
  }

  #takePolicies(): Command[] {
    return this.#policies.flatMap(policies => policies.take())
  }

  #check({ event, position, line }: JournalEntry, { path, header }: Journal): void {
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

  #report(events: number, of: number): void {
    if (performance.now() - this.#reportedAt < PROGRESS_INTERVAL_MS) return
    this.#reportedAt = performance.now()
    this.#options.logger.info({ events, of }, 'the journal is being replayed')
  }

  #commandsOf({ event, text, position }: JournalEntry): Command[] {
    const { key, version } = event
    const partition = configPartition(key)
    const keys = this.#options.partitions[partition] as ConfigKeys
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
    const { keyPrefix, retentionMs } = this.#options
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
