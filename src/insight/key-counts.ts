import { kthSmallest } from '../lib/kth-smallest.ts'
import { KeyRows } from './key-rows.ts'
import { MEASURES, type Measure } from './ports.ts'

/** Keys that are counted at once. With their counts, they take about 4 MB. */
const CAPACITY = 16_384

/** The part of the keys that are never evicted, of each measure: those with the largest counts. */
const STAYING_PART = 1 / 8

/** A count of at least this part of the total is reported. */
const REPORTED_SHARE = 1 / 1_000

/** However small they are, this many of the largest counts are reported. */
const ALWAYS_REPORTED = 100

const WIDTH = MEASURES.length

export interface CountReport<Label> {
  /** By how much the largest counts have grown since the previous report. */
  readonly growths: readonly { readonly key: string; readonly label: Label; readonly growth: number }[]
  /** The true number of any key exceeds what has been reported of it by at most this. */
  readonly error: number
}

/**
 * Counts the most frequent keys of a stream in bounded memory: Space-Saving, for several measures in one table. When the table is full,
 * the keys with the smallest counts are evicted together rather than one by one, so that adding takes constant time on average for
 * weights of any size. A key that comes back may have had as many as the evicted key with the largest count: this `floor` is its
 * `missed` count. The floor is at most the total ÷ (`CAPACITY` · `STAYING_PART`).
 * @see https://doi.org/10.1007/978-3-540-30570-5_27 Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements
 */
export class KeyCounts<Label> {
  readonly #rows: KeyRows
  readonly #labels: Label[] = []
  /** One row for each key, one column for each measure. */
  readonly #counts: Float64Array
  readonly #missed: Float64Array
  readonly #reported: Float64Array
  readonly #floors = new Float64Array(WIDTH)
  readonly #totals = new Float64Array(WIDTH)
  readonly #scratch: Float64Array
  readonly #capacity: number

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity
    this.#rows = new KeyRows(capacity)
    this.#counts = new Float64Array(capacity * WIDTH)
    this.#missed = new Float64Array(capacity * WIDTH)
    this.#reported = new Float64Array(capacity * WIDTH)
    this.#scratch = new Float64Array(capacity)
  }

  /**
   * The row of a key, valid until the next call.
   * @param label kept with the key, in place of the one that it had
   */
  rowOf(key: string, label: Label): number {
    const found = this.#rows.find(key)
    const row = found === -1 ? this.#insert(key) : found
    // Writing a reference costs the garbage collector more than reading one.
    if (this.#labels[row] !== label) this.#labels[row] = label
    return row
  }

  /** @param column index in `MEASURES` */
  add(row: number, column: number, weight: number): void {
    const cell = row * WIDTH + column
    this.#counts[cell] = (this.#counts[cell] as number) + weight
    this.#totals[column] = (this.#totals[column] as number) + weight
  }

  report(measure: Measure): CountReport<Label> {
    const column = MEASURES.indexOf(measure)
    if (this.#totals[column] === 0) return { growths: [], error: 0 }
    const isLarge = this.#largestIn(column)
    const growths: { key: string; label: Label; growth: number }[] = []
    let error = this.#floors[column] as number
    for (let row = 0; row < this.#rows.size; row++) {
      const cell = row * WIDTH + column
      const count = this.#counts[cell] as number
      const growth = count - (this.#reported[cell] as number)
      if (isLarge(count) && growth > 0) {
        growths.push({ key: this.#rows.keyOf(row), label: this.#labels[row] as Label, growth })
        this.#reported[cell] = count
      }
      error = Math.max(error, (this.#missed[cell] as number) + count - (this.#reported[cell] as number))
    }
    return { growths, error }
  }

  /** Forgets everything. */
  clear(): void {
    this.#keep([])
    for (const values of [this.#missed, this.#floors, this.#totals]) values.fill(0)
  }

  #insert(key: string): number {
    if (this.#rows.size === this.#capacity) this.#evict()
    const row = this.#rows.append(key)
    this.#missed.set(this.#floors, row * WIDTH)
    return row
  }

  #evict(): void {
    const capacity = this.#capacity
    const staying = Math.floor(capacity * STAYING_PART)
    for (let column = 0; column < WIDTH; column++) {
      for (let row = 0; row < capacity; row++) this.#scratch[row] = this.#upperBound(row * WIDTH + column)
      const floor = kthSmallest(this.#scratch, capacity, capacity - 1 - staying)
      this.#floors[column] = Math.max(this.#floors[column] as number, floor)
    }
    const kept: number[] = []
    for (let row = 0; row < capacity; row++) if (this.#isAboveFloor(row)) this.#move(row, kept.push(row) - 1)
    this.#keep(kept)
  }

  #upperBound(cell: number): number {
    return (this.#counts[cell] as number) + (this.#missed[cell] as number)
  }

  #isAboveFloor(row: number): boolean {
    for (let column = 0; column < WIDTH; column++) {
      if (this.#upperBound(row * WIDTH + column) > (this.#floors[column] as number)) return true
    }
    return false
  }

  #move(from: number, to: number): void {
    this.#labels[to] = this.#labels[from] as Label
    for (let column = 0; column < WIDTH; column++) {
      const source = from * WIDTH + column
      const target = to * WIDTH + column
      this.#counts[target] = this.#counts[source] as number
      this.#missed[target] = this.#missed[source] as number
      this.#reported[target] = this.#reported[source] as number
    }
  }

  /** Keeps some keys only. What is counted of them has been moved to the first rows. */
  #keep(rows: readonly number[]): void {
    this.#rows.keep(rows)
    this.#labels.length = rows.length
    this.#counts.fill(0, rows.length * WIDTH)
    this.#reported.fill(0, rows.length * WIDTH)
  }

  /** Whether a count is to be reported; asked of each row in turn. Of many equal counts, the first ones are. */
  #largestIn(column: number): (count: number) => boolean {
    const rows = this.#rows.size
    for (let row = 0; row < rows; row++) this.#scratch[row] = this.#counts[row * WIDTH + column] as number
    const least = rows > ALWAYS_REPORTED ? kthSmallest(this.#scratch, rows, rows - ALWAYS_REPORTED) : 0
    const share = (this.#totals[column] as number) * REPORTED_SHARE
    let left = ALWAYS_REPORTED - this.#scratch.subarray(0, rows).filter(count => count > least).length
    return count => count >= share || count > least || (count === least && left-- > 0)
  }
}
