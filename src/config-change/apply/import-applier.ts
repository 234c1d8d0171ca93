import { type ImportPart, type ImportPolicy, partIds, partitionOfCommand } from '../../domain/commands.ts'
import { decide, type PolicyState } from '../../domain/decider.ts'
import { effectOf, NOTHING_IMPORTED, type Outcome, sumOfCounts } from '../../domain/outcome.ts'
import { parseImportLine } from '../import/import-line.ts'
import type {
  CommandQueue,
  CommandStore,
  ImportProgress,
  ImportStaging,
  KeyChange,
  Lease,
  NotAppended,
} from '../ports.ts'
import { AppendRetries } from './append-retries.ts'
import type { Attempt } from './command-applier.ts'
import { CommandFault } from './command-fault.ts'
import { supersededBy } from './superseded.ts'

interface ImportApplierOptions {
  readonly log: CommandStore
  readonly staging: ImportStaging
  readonly queue: CommandQueue
  now(): Date
}

/** The worker's side of an import: applies one partition's staged lines chunk by chunk, from where an earlier attempt ended. */
export class ImportApplier {
  readonly #options: ImportApplierOptions

  constructor(options: ImportApplierOptions) {
    this.#options = options
  }

  /**
   * @returns `undefined` when nothing is left to do: the lease is lost, or the import ended long ago
   * @throws {CommandFault} when its lines cannot be read, or what is stored can never match
   */
  async apply(part: ImportPart, attempt: Attempt): Promise<Outcome | undefined> {
    const { log, staging } = this.#options
    const earlier = await log.outcome(part.id)
    const outcome = earlier ?? (await this.#end(part, attempt))
    if (outcome === undefined) return undefined
    await staging.drop([part.id])
    // The import ends with the last of its parts, and is remembered as a whole from then on.
    await log.extendRetention(partIds(part.importId) ?? [])
    return outcome
  }

  async #end(part: ImportPart, attempt: Attempt): Promise<Outcome | undefined> {
    await this.#queueSiblings(part)
    const refusal = await this.#refusal(part, attempt)
    let progress = await this.#options.log.progress(part.id)
    let retries = new AppendRetries()
    for (;;) {
      const advance = refusal
        ? await this.#finish(refusal, attempt.lease, progress)
        : await this.#advance(part, attempt.lease, progress)
      switch (advance.kind) {
        case 'ended':
          return advance.outcome
        case 'lease-lost':
        case 'forgotten':
          return undefined
        case 'applied':
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

  /** Whoever accepted the import may have died between two parts. */
  async #queueSiblings(part: ImportPart): Promise<void> {
    const { log, queue } = this.#options
    for (const id of partIds(part.importId) ?? []) {
      if (id !== part.id && (await log.outcome(id)) === undefined) await queue.add({ ...part, id })
    }
  }

  async #refusal({ id }: ImportPart, { isRetry, refusal }: Attempt): Promise<Outcome | undefined> {
    const { log } = this.#options
    const [failure, standing] = await Promise.all([
      log.failure(id),
      log.standing({ partition: partitionOfCommand(id) ?? 0 }),
    ])
    const rejection = refusal ?? (isRetry || failure ? supersededBy(failure, standing) : undefined)
    return rejection && { id, status: 'rejected', error: rejection }
  }

  /** Applies the next chunk, or ends the part behind the last one. */
  async #advance(part: ImportPart, lease: Lease, from: ImportProgress | undefined): Promise<Advance> {
    const lines = await this.#options.staging.chunk(part.id, from?.nextChunk ?? 0)
    if (lines === undefined) return this.#advanceWithoutLines(part)
    if (lines.length > 0) return this.#applyChunk(part, lines, lease, from)
    return this.#finish({ id: part.id, status: 'applied', counts: from?.counts ?? NOTHING_IMPORTED }, lease, from)
  }

  async #finish(outcome: Outcome, lease: Lease, from: ImportProgress | undefined): Promise<Advance> {
    const result = await this.#options.log.append({ outcome, lease, from })
    return result.kind === 'appended' ? { kind: 'ended', outcome } : result
  }

  async #applyChunk(
    part: ImportPart,
    lines: readonly string[],
    lease: Lease,
    from: ImportProgress | undefined,
  ): Promise<Advance> {
    const { log, now } = this.#options
    const commands = lines.map(line => commandOf(part, line))
    const states = await log.states(commands.map(({ key }) => key))
    const at = now().toISOString()
    const changes = commands.map((command, i) => changeOf(command, states[i] as PolicyState, at))
    const counts = sumOfCounts([from?.counts ?? NOTHING_IMPORTED, ...changes.map(({ counts }) => counts)])
    const to = { nextChunk: (from?.nextChunk ?? 0) + 1, counts }
    const result = await log.appendChunk({ partId: part.id, lease, from, to, changes })
    return result.kind === 'appended' ? { kind: 'applied', progress: to } : result
  }

  /** A part's lines go when it ends. */
  async #advanceWithoutLines(part: ImportPart): Promise<Advance> {
    const outcome = await this.#options.log.outcome(part.id)
    if (outcome !== undefined) return { kind: 'ended', outcome }
    if (await this.#isForgotten(part)) return { kind: 'forgotten' }
    throw new CommandFault('the lines of the import are no longer in the config store')
  }

  /**
   * Whether the store knows nothing of the import any more: it ended, and its outcome has expired. A worker that stood still for
   * longer than that may queue a part again.
   */
  async #isForgotten({ importId }: ImportPart): Promise<boolean> {
    const { log, staging } = this.#options
    const ids = partIds(importId) ?? []
    const found = await Promise.all(
      ids.flatMap(id => [log.outcome(id), log.failure(id), staging.chunk(id, 0)] as Promise<unknown>[]),
    )
    return found.every(known => known === undefined)
  }
}

/** What came of one step. */
type Advance =
  | NotAppended
  | { readonly kind: 'forgotten' }
  /** A chunk was applied. */
  | { readonly kind: 'applied'; readonly progress: ImportProgress }

function commandOf({ importId: id, actor, reason, requestId }: ImportPart, line: string): ImportPolicy {
  const why = { ...(reason !== undefined && { reason }), ...(requestId !== undefined && { requestId }) }
  return { id, actor, ...why, type: 'import', ...parseImportLine(line) }
}

function changeOf(command: ImportPolicy, state: PolicyState, at: string) {
  const decision = decide(state, command, at)
  const change: KeyChange = { key: command.key, expectedVersion: state.version }
  if (decision.kind !== 'changed') return { ...change, counts: { ...NOTHING_IMPORTED, unchanged: 1 } }
  const { event } = decision
  return { ...change, event, counts: { ...NOTHING_IMPORTED, [effectOf(state, event)]: 1 } }
}
