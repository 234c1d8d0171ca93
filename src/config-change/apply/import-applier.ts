import { partIds } from '../../domain/command-id.ts'
import type { ImportCommand, ImportPart } from '../../domain/commands.ts'
import type { PolicyState } from '../../domain/decider.ts'
import { NOTHING_IMPORTED, type Outcome, sumOfCounts } from '../../domain/outcome.ts'
import { countsOf, decideImport } from '../import/import-decision.ts'
import { parseImportLine } from '../import/import-line.ts'
import type {
  CommandQueue,
  CommandStore,
  ImportProgress,
  ImportStaging,
  KeyChange,
  Lease,
  NotAppended,
  StateReader,
} from '../ports.ts'
import { AppendRetries } from './append-retries.ts'
import type { Attempt } from './command-applier.ts'
import { CommandFault } from './command-fault.ts'
import { nextUnnamed } from './keys-left.ts'
import { partSupersededBy } from './superseded-part.ts'

interface ImportApplierOptions {
  readonly reader: StateReader
  readonly store: CommandStore
  readonly staging: ImportStaging
  readonly queue: CommandQueue
  now(): Date
}

/**
 * Applies a part of an import: the staged lines of one partition, chunk by chunk, and then prunes the keys that they do not name. It
 * continues where an earlier attempt stopped.
 */
export class ImportApplier {
  readonly #options: ImportApplierOptions
  #steps = 0

  constructor(options: ImportApplierOptions) {
    this.#options = options
  }

  /** How many steps this process has taken: chunks of lines, and of keys to prune. */
  get steps(): number {
    return this.#steps
  }

  /**
   * @returns `undefined` if nothing is left to do: the lease is lost, or the import has ended and its outcome has expired
   * @throws {CommandFault} if some of its lines are gone, or the stored state can never match
   */
  async apply(part: ImportPart, attempt: Attempt): Promise<Outcome | undefined> {
    const { store, staging } = this.#options
    const earlier = await store.outcome(part.id)
    const outcome = earlier ?? (await this.#end(part, attempt))
    if (outcome === undefined) return undefined
    await staging.drop([part.id])
    // The import ends with its last part, so the results of all parts are retained from then on.
    await store.extendRetention(partIds(part.importId))
    return outcome
  }

  async #end(part: ImportPart, attempt: Attempt): Promise<Outcome | undefined> {
    await this.#queueSiblings(part)
    let progress = await this.#options.store.progress(part.id)
    const refusal = await this.#refusal(part, attempt, progress)
    let retries = new AppendRetries()
    for (;;) {
      const advance = refusal
        ? await this.#finish(part, refusal, attempt.lease, progress)
        : await this.#advance(part, attempt.lease, progress)
      switch (advance.kind) {
        case 'ended':
          return advance.outcome
        case 'lease-lost':
        case 'forgotten':
          return undefined
        case 'applied':
          this.#steps++
          progress = advance.progress
          retries = new AppendRetries()
          break
        case 'progressed':
          await retries.pauseAfter({ expectedProgress: progress })
          progress = advance.progress
          break
        case 'moved-on':
          await retries.pauseAfter(advance.mismatch)
      }
    }
  }

  /** Queues the other parts, since the process that accepted the import may have died before it queued all of them. */
  async #queueSiblings(part: ImportPart): Promise<void> {
    const { store, queue } = this.#options
    for (const id of partIds(part.importId)) {
      if (id !== part.id && (await store.outcome(id)) === undefined) await queue.addAgain({ ...part, id })
    }
  }

  async #refusal(
    part: ImportPart,
    { isRetry, refusal }: Attempt,
    progress: ImportProgress | undefined,
  ): Promise<Outcome | undefined> {
    const failure = await this.#options.store.failure(part.id)
    const mayUndo = isRetry || failure !== undefined
    const rejection =
      refusal ?? (mayUndo ? await partSupersededBy({ part, failure, progress }, this.#options) : undefined)
    return rejection && { id: part.id, status: 'rejected', error: rejection }
  }

  /** Applies the next chunk; after the last one, prunes the next keys; ends the part if there are none. */
  async #advance(part: ImportPart, lease: Lease, from: ImportProgress | undefined): Promise<Advance> {
    const { staging } = this.#options
    if (from === undefined && !(await staging.isSealed(part.id))) return this.#advanceWithoutLines(part)
    const lines = await staging.chunk(part.id, from?.nextChunk ?? 0)
    if (lines === undefined) return this.#advanceWithoutLines(part)
    if (lines.length > 0) return this.#applyChunk(part, lines, lease, from)
    const unnamed = await this.#nextUnnamed(part, from)
    if (unnamed === undefined) return this.#advanceWithoutLines(part)
    if (unnamed.length > 0) return this.#prune(part, unnamed, lease, from)
    const outcome = { id: part.id, status: 'applied', counts: from?.counts ?? NOTHING_IMPORTED } as const
    return this.#finish(part, outcome, lease, from)
  }

  async #finish(
    { traceparent }: ImportPart,
    outcome: Outcome,
    lease: Lease,
    from: ImportProgress | undefined,
  ): Promise<Advance> {
    const result = await this.#options.store.append({ outcome, lease, from, traceparent })
    return result.kind === 'appended' ? { kind: 'ended', outcome } : result
  }

  #applyChunk(
    part: ImportPart,
    lines: readonly string[],
    lease: Lease,
    from: ImportProgress | undefined,
  ): Promise<Advance> {
    const commands = lines.map(
      (line): ImportCommand => ({ ...originOf(part), type: 'import', ...parseImportLine(line) }),
    )
    return this.#apply(part, commands, lease, { from, to: { nextChunk: (from?.nextChunk ?? 0) + 1 } })
  }

  #prune(part: ImportPart, keys: readonly string[], lease: Lease, from: ImportProgress | undefined): Promise<Advance> {
    const commands = keys.map((key): ImportCommand => ({ ...originOf(part), type: 'prune', key }))
    return this.#apply(part, commands, lease, {
      from,
      to: { nextChunk: from?.nextChunk ?? 0, prunedTo: keys.at(-1) as string },
    })
  }

  async #apply(
    part: ImportPart,
    commands: readonly ImportCommand[],
    lease: Lease,
    { from, to }: { from: ImportProgress | undefined; to: Omit<ImportProgress, 'counts'> },
  ): Promise<Advance> {
    const { reader, store, now } = this.#options
    const states = await reader.states(commands.map(({ key }) => key))
    const when = { at: now().toISOString(), prunes: part.prune !== undefined }
    const changes = commands.map((command, i) => changeOf(command, states[i] as PolicyState, when))
    const counts = sumOfCounts([from?.counts ?? NOTHING_IMPORTED, ...changes.map(({ counts }) => counts)])
    const progress = { ...to, counts }
    const result = await store.appendChunk({ partId: part.id, lease, from, to: progress, changes })
    return result.kind === 'appended' ? { kind: 'applied', progress } : result
  }

  async #nextUnnamed({ id, prune }: ImportPart, from: ImportProgress | undefined) {
    return prune === undefined ? [] : nextUnnamed(id, { prefix: prune, after: from?.prunedTo }, this.#options)
  }

  /** The lines of a part are dropped when it ends. */
  async #advanceWithoutLines(part: ImportPart): Promise<Advance> {
    const outcome = await this.#options.store.outcome(part.id)
    if (outcome !== undefined) return { kind: 'ended', outcome }
    if (await this.#isForgotten(part)) return { kind: 'forgotten' }
    throw new CommandFault('the policy store no longer has all lines of the import')
  }

  /**
   * Whether every record of the import has expired: it ended long ago. A worker that was suspended for longer than that may queue a
   * part again.
   */
  async #isForgotten({ importId }: ImportPart): Promise<boolean> {
    const { store, staging } = this.#options
    const found = await Promise.all(
      partIds(importId).flatMap(
        id => [store.outcome(id), store.failure(id), staging.chunk(id, 0)] as Promise<unknown>[],
      ),
    )
    return found.every(known => known === undefined)
  }
}

/** The result of one step. */
type Advance =
  | NotAppended
  | { readonly kind: 'forgotten' }
  /** A chunk was applied. */
  | { readonly kind: 'applied'; readonly progress: ImportProgress }

/** The members that all commands of an import have in common. */
function originOf({ importId: id, actor, reason, requestId }: ImportPart) {
  return { id, actor, ...(reason !== undefined && { reason }), ...(requestId !== undefined && { requestId }) }
}

function changeOf(command: ImportCommand, state: PolicyState, when: Parameters<typeof decideImport>[2]) {
  const decision = decideImport(state, command, when)
  const change: KeyChange = {
    key: command.key,
    expectedVersion: state.version,
    ...(decision.kind === 'changed' && { event: decision.event }),
  }
  return { ...change, counts: countsOf(state, decision) }
}
