import type { DescriptorEntry, EntryPattern } from './descriptor-pattern.ts'
import { ValuePatterns } from './value-patterns.ts'

/** Counts the policies that have each pattern at one position of their entries. */
export class EntryCounts {
  readonly #counts = new Map<string, ValuePatterns<number>>()

  add({ key, value }: EntryPattern): void {
    const counts = this.#counts.get(key) ?? new ValuePatterns<number>()
    this.#counts.set(key, counts)
    counts.set(value, (counts.get(value) ?? 0) + 1)
  }

  remove({ key, value }: EntryPattern): void {
    const counts = this.#counts.get(key)
    const left = (counts?.get(value) ?? 0) - 1
    if (left > 0) counts?.set(value, left)
    else counts?.delete(value)
    if (counts?.isEmpty) this.#counts.delete(key)
  }

  /** Whether a policy has a pattern that matches this entry. */
  matches({ key, value }: DescriptorEntry): boolean {
    return this.#counts.get(key)?.matches(value) ?? false
  }
}
