import type { AddedPart, ImportStaging } from '../../../src/config-change/ports.ts'
import type { CommandId } from '../../../src/domain/command-id.ts'
import type { InMemoryPolicyStore } from './policy-store.ts'

interface Staged {
  readonly chunks: (readonly string[])[]
  /** Absent if the import does not prune. */
  names?: Set<string>
  isSealed: boolean
  isKept: boolean
}

/** Staged lines in memory. They do not expire by themselves, but `expire` removes those that are not kept. */
export class InMemoryImportStaging implements ImportStaging {
  readonly #store: InMemoryPolicyStore
  readonly #staged = new Map<CommandId, Staged>()

  constructor(store: InMemoryPolicyStore) {
    this.#store = store
  }

  /** Expires lines, as happens after a long time. */
  expire(): void {
    for (const [id, { isKept }] of this.#staged) if (!isKept) this.#staged.delete(id)
  }

  async add(partId: CommandId, lines: readonly string[]): Promise<void> {
    this.#open(partId).chunks.push([...lines])
  }

  async seal(parts: readonly AddedPart[]): Promise<boolean> {
    const isComplete = parts.every(({ id, chunks, names }) => {
      const staged = this.#open(id)
      return staged.chunks.length === chunks && staged.names?.size === names
    })
    if (isComplete) for (const { id } of parts) this.#open(id).isSealed = true
    return isComplete
  }

  async isSealed(partId: CommandId): Promise<boolean> {
    return this.#staged.get(partId)?.isSealed ?? false
  }

  async keep(partIds: readonly CommandId[]): Promise<void> {
    for (const id of partIds) {
      const staged = this.#staged.get(id)
      if (staged !== undefined) staged.isKept = true
    }
  }

  async chunk(partId: CommandId, index: number): Promise<readonly string[] | undefined> {
    const { chunks = [], isSealed = false } = this.#staged.get(partId) ?? {}
    return chunks[index] ?? (isSealed && index === chunks.length ? [] : undefined)
  }

  async addNames(partId: CommandId, keys: readonly string[]): Promise<void> {
    const staged = this.#open(partId)
    staged.names = new Set([...(staged.names ?? []), ...keys])
  }

  async unnamed(partId: CommandId, keys: readonly string[]): Promise<readonly string[] | undefined> {
    const { names } = this.#staged.get(partId) ?? {}
    return names && keys.filter(key => !names.has(key))
  }

  async drop(partIds: readonly CommandId[]): Promise<void> {
    for (const id of partIds) this.#staged.delete(id)
    this.#store.forgetProgress(partIds)
  }

  #open(partId: CommandId): Staged {
    const staged = this.#staged.get(partId) ?? { chunks: [], isSealed: false, isKept: false }
    this.#staged.set(partId, staged)
    return staged
  }
}
