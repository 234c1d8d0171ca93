import { inChunks } from '../lib/keyed-chunks.ts'
import type { KeyCount } from './ports.ts'

/** Sums of the counts of several periods. */
export class MergedCounts {
  readonly #byKey = new Map<string, { policy: string; count: number }>()

  /** Adds counts of a period that is not later than those before. The policy of a key is that of its latest period. */
  add(counts: readonly KeyCount[]): void {
    for (const { key, policy, count } of counts) {
      const sum = this.#byKey.get(key)
      if (sum === undefined) this.#byKey.set(key, { policy, count })
      else sum.count += count
    }
  }

  /**
   * The largest sums, largest first.
   * @param nextPart is awaited before a part of the sums is looked at
   */
  async largest(limit: number, nextPart: (rows: number) => Promise<void>): Promise<readonly KeyCount[]> {
    let largest: readonly KeyCount[] = []
    for (const part of inChunks(this.#byKey)) {
      await nextPart(part.length)
      const least = largest.length < limit ? 0 : (largest.at(-1)?.count ?? 0)
      const candidates = part.filter(([, { count }]) => count >= least).map(([key, sum]) => ({ key, ...sum }))
      largest = [...largest, ...candidates].sort(inOrder).slice(0, limit)
    }
    return largest.map(sum => ({ ...sum, key: copyOf(sum.key), policy: copyOf(sum.policy) }))
  }
}

function inOrder(a: KeyCount, b: KeyCount): number {
  return b.count - a.count || (a.key < b.key ? -1 : 1)
}

/** V8 keeps the whole text in memory that a text was cut from, and results outlast the counts of their periods. */
function copyOf(text: string): string {
  return Buffer.from(text).toString()
}
