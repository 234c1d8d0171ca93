import { randomUUID } from 'node:crypto'
import { importId } from '../../domain/command-id.ts'
import type { ImportCommand } from '../../domain/commands.ts'
import { type PolicyState, stateAt } from '../../domain/decider.ts'
import { type ChangeEffect, effectOf, type ImportCounts, NOTHING_IMPORTED, sumOfCounts } from '../../domain/outcome.ts'
import { type StoredPolicy, storedPolicyMembers } from '../../domain/temporary-policy.ts'
import { mapStoreErrors, storeProblem } from '../map-store-errors.ts'
import type { StateReader } from '../ports.ts'
import { ImportChecker } from './import-checker.ts'
import { countsOf, decideImport } from './import-decision.ts'
import { type Line, linesOf } from './ndjson.ts'

/** Lines that are compared in one turn, which takes about two milliseconds. */
const LINES_PER_TURN = 100

/** Differences that are returned in full. Further ones are only counted. */
export const MAX_DIFFERENCES = 1_000

/** A policy as callers see it. */
type ShownPolicy = ReturnType<typeof storedPolicyMembers>

/** What an import would do to the policy of a config key. */
export interface ImportDifference {
  readonly key: string
  readonly type: ChangeEffect
  /** `null` if the key has no policy. */
  readonly from: ShownPolicy | null
  /** `null` if the policy would be deleted. */
  readonly to: ShownPolicy | null
}

/** What an import would do if it were applied now, before all queued commands. */
export interface ImportDryRun extends ImportCounts {
  /** The first `MAX_DIFFERENCES`: those of the lines in their order, then those of the pruned keys in byte order. */
  readonly differences: readonly ImportDifference[]
  /** There are more differences. */
  readonly truncated?: true
}

interface DryRunOptions {
  readonly reader: Pick<StateReader, 'states' | 'keys'>
  /** ISO 8601 */
  readonly at: string
  /** The prefix by which the import prunes, if it does. */
  readonly prune?: string | undefined
  /** Resolves when the next lines or keys may be compared, so that other work is not delayed. */
  nextTurn(): Promise<void>
}

/**
 * Compares a file with the policies, and keeps only the keys of the file and the first differences in memory.
 * @throws {Problem} `import-invalid`, `validation-failed`, `config-store-unavailable`
 */
export async function dryRunImport(file: AsyncIterable<Buffer>, options: DryRunOptions): Promise<ImportDryRun> {
  const { prune, nextTurn } = options
  const checker = new ImportChecker(prune)
  const comparison = new Comparison(options)
  for await (const lines of inTurns(linesOf(file), options)) {
    await comparison.add(lines.map(line => ({ type: 'import', ...checker.check(line) })))
  }
  checker.end()
  if (prune === undefined) return comparison.result
  for await (const keys of keysWithin(prune, options)) {
    const unnamed = keys.filter(key => !checker.names(key))
    if (unnamed.length > 0) await nextTurn()
    await comparison.add(unnamed.map(key => ({ type: 'prune', key })))
  }
  return comparison.result
}

async function* inTurns(
  chunks: AsyncIterable<readonly Line[]>,
  { nextTurn }: DryRunOptions,
): AsyncGenerator<readonly Line[]> {
  for await (const lines of chunks) {
    for (let from = 0; from < lines.length; from += LINES_PER_TURN) {
      await nextTurn()
      yield lines.slice(from, from + LINES_PER_TURN)
    }
  }
}

async function* keysWithin(prefix: string, { reader }: DryRunOptions): AsyncGenerator<readonly string[]> {
  try {
    yield* reader.keys({ prefix })
  } catch (cause) {
    throw storeProblem(cause)
  }
}

type WithoutOrigin<T> = T extends ImportCommand ? Omit<T, 'id' | 'actor'> : never

class Comparison {
  readonly #options: DryRunOptions
  /** Of the commands, whose events are not stored. */
  readonly #origin = { id: importId(randomUUID()), actor: '' }
  readonly #differences: ImportDifference[] = []
  #counts = NOTHING_IMPORTED

  constructor(options: DryRunOptions) {
    this.#options = options
  }

  async add(commands: readonly WithoutOrigin<ImportCommand>[]): Promise<void> {
    if (commands.length === 0) return
    const states = await mapStoreErrors(this.#options.reader.states(commands.map(({ key }) => key)))
    const counts = commands.map((command, i) =>
      this.#compare({ ...this.#origin, ...command }, states[i] as PolicyState),
    )
    this.#counts = sumOfCounts([this.#counts, ...counts])
  }

  get result(): ImportDryRun {
    const { created, changed, deleted } = this.#counts
    const isTruncated = created + changed + deleted > this.#differences.length
    return { ...this.#counts, differences: this.#differences, ...(isTruncated && { truncated: true }) }
  }

  #compare(command: ImportCommand, state: PolicyState): ImportCounts {
    const { at, prune } = this.#options
    const decision = decideImport(state, command, { at, prunes: prune !== undefined })
    if (decision.kind === 'changed' && this.#differences.length < MAX_DIFFERENCES) {
      const { event } = decision
      const from = shown(stateAt(state, Date.parse(at)).policy)
      this.#differences.push({ key: command.key, type: effectOf(state, event), from, to: shown(event.policy) })
    }
    return countsOf(state, decision)
  }
}

function shown(policy: StoredPolicy | null): ShownPolicy | null {
  return policy && storedPolicyMembers(policy)
}
