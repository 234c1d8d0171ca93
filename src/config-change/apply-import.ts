import { type ImportPart, type ImportPolicy, partIds, partitionOfCommand } from '../domain/commands.ts'
import { decide, type PolicyState } from '../domain/decider.ts'
import { effectOf, NOTHING_IMPORTED, type Outcome, sumOfCounts } from '../domain/outcome.ts'
import type { Attempt } from './apply.ts'
import { CommandFault } from './command-fault.ts'
import { parseImportLine } from './import-line.ts'
import type { CommandLog, CommandQueue, ImportProgress, ImportStaging, KeyChange } from './ports.ts'
import { supersededBy } from './superseded.ts'

interface ImportApplierOptions {
  readonly log: CommandLog
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

  /** @throws {CommandFault} when its lines cannot be read */
  async apply(part: ImportPart, attempt: Attempt): Promise<Outcome> {
    const { log, staging } = this.#options
    const earlier = await log.outcome(part.id)
    const outcome = earlier ?? (await this.#end(part, attempt))
    await staging.drop([part.id])
    // The import ends with the last of its parts, and is remembered as a whole from then on.
    await log.prolong(partIds(part.importId) ?? [])
    return outcome
  }

  async #end(part: ImportPart, attempt: Attempt): Promise<Outcome> {
    await this.#queueSiblings(part, attempt.requestId)
    const outcome = (await this.#refusal(part, attempt)) ?? (await this.#applyChunks(part))
    const result = await this.#options.log.append(outcome)
    return result.kind === 'repeated' ? result.recorded : outcome
  }

  /** Whoever accepted the import may have died between two parts. */
  async #queueSiblings(part: ImportPart, requestId: string): Promise<void> {
    const { log, queue } = this.#options
    for (const id of partIds(part.importId) ?? []) {
      if (id !== part.id && (await log.outcome(id)) === undefined) await queue.add({ ...part, id }, requestId)
    }
  }

  async #refusal({ id }: ImportPart, { isRetry }: Attempt): Promise<Outcome | undefined> {
    const { log } = this.#options
    const [failure, standing] = await Promise.all([
      log.failure(id),
      log.standing({ partition: partitionOfCommand(id) ?? 0 }),
    ])
    const rejection = isRetry || failure ? supersededBy(failure, standing) : undefined
    return rejection && { id, status: 'rejected', error: rejection }
  }

  async #applyChunks(part: ImportPart): Promise<Outcome> {
    let progress = await this.#options.log.progress(part.id)
    for (;;) {
      const lines = await this.#options.staging.chunk(part.id, progress?.nextChunk ?? 0)
      if (lines === undefined) throw new CommandFault('the lines of the import are gone from the config store')
      if (lines.length === 0) return { id: part.id, status: 'applied', counts: progress?.counts ?? NOTHING_IMPORTED }
      progress = await this.#applyChunk(part, lines, progress)
    }
  }

  async #applyChunk(
    part: ImportPart,
    lines: readonly string[],
    from: ImportProgress | undefined,
  ): Promise<ImportProgress> {
    const commands = lines.map(line => commandOf(part, line))
    for (;;) {
      const states = await this.#options.log.states(commands.map(({ key }) => key))
      const at = this.#options.now().toISOString()
      const changes = commands.map((command, i) => changeOf(command, states[i] as PolicyState, at))
      const counts = sumOfCounts([from?.counts ?? NOTHING_IMPORTED, ...changes.map(({ counts }) => counts)])
      const to = { nextChunk: (from?.nextChunk ?? 0) + 1, counts }
      const result = await this.#options.log.appendChunk({ partId: part.id, from, to, changes })
      if (result.kind === 'ended') return to
      if (result.kind === 'repeated') return result.recorded
    }
  }
}

function commandOf({ importId: id, actor, reason }: ImportPart, line: string): ImportPolicy {
  return { id, actor, ...(reason !== undefined && { reason }), type: 'import', ...parseImportLine(line) }
}

function changeOf(command: ImportPolicy, state: PolicyState, at: string) {
  const decision = decide(state, command, at)
  const change: KeyChange = { key: command.key, expectedVersion: state.version }
  if (decision.kind !== 'changed') return { ...change, counts: { ...NOTHING_IMPORTED, unchanged: 1 } }
  const { event } = decision
  return { ...change, event, counts: { ...NOTHING_IMPORTED, [effectOf(state, event)]: 1 } }
}
