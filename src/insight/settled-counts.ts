import { type KeyCount, type Measure, PERIOD_MS, type Period, type StoredCounts } from './ports.ts'

/** By so long after the end of a period, processes have reported it, though their clocks differ and the store is slow. In ms. */
const SETTLED_AFTER_MS = 120_000

/** How long counts are kept, in ms. Then they are read again, with what a process that hung has reported late. */
const KEPT_MS = 600_000

/** Room for a day of all measures, with keys of 40 bytes. The last period can exceed it. */
const MAX_BYTES = 24_000_000

/** Of an entry without counts, about. */
const BYTES_PER_ENTRY = 400

/** No key and no config key contains it. */
const SEPARATOR = '\0'

interface Entry {
  readonly readAtMs: number
  readonly packed: PackedCounts
}

/** The counts of periods that have ended, which the store need not be asked for again. Their memory is bounded. */
export class SettledCounts {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  /** @param nowMs in ms since 1970 */
  find(measure: Measure, period: Period, nowMs: number): StoredCounts | undefined {
    const entry = this.#entries.get(nameOf(measure, period))
    return entry !== undefined && isFresh(entry, nowMs) ? entry.packed.unpack() : undefined
  }

  /**
   * Keeps counts, if their period is settled and there is room.
   * @param nowMs a time before they were read, in ms since 1970
   */
  keep(measure: Measure, period: Period, counts: StoredCounts, nowMs: number): void {
    if (nowMs < (period.number + 1) * PERIOD_MS[period.unit] + SETTLED_AFTER_MS) return
    const name = nameOf(measure, period)
    this.#delete(name)
    if (this.#bytes >= MAX_BYTES) this.#deleteOld(nowMs)
    if (this.#bytes >= MAX_BYTES) return
    const packed = new PackedCounts(counts)
    this.#entries.set(name, { readAtMs: nowMs, packed })
    this.#bytes += packed.bytes
  }

  #deleteOld(nowMs: number): void {
    for (const [name, entry] of this.#entries) {
      if (!isFresh(entry, nowMs)) this.#delete(name)
    }
  }

  #delete(name: string): void {
    this.#bytes -= this.#entries.get(name)?.packed.bytes ?? 0
    this.#entries.delete(name)
  }
}

function nameOf(measure: Measure, { unit, number }: Period): string {
  return `${measure} ${unit} ${number}`
}

/** What was read before the clock was set back may lack counts. */
function isFresh({ readAtMs }: Entry, nowMs: number): boolean {
  return nowMs >= readAtMs && nowMs - readAtMs < KEPT_MS
}

/** Counts in a third of the memory of objects, and without work for the garbage collector. */
class PackedCounts {
  readonly #members: Buffer
  readonly #numbers: Float64Array
  readonly #error: number

  constructor({ counts, error }: StoredCounts) {
    this.#members = Buffer.from(counts.flatMap(({ key, policy }) => [key, policy]).join(SEPARATOR))
    this.#numbers = Float64Array.from(counts, ({ count }) => count)
    this.#error = error
  }

  get bytes(): number {
    return BYTES_PER_ENTRY + this.#members.byteLength + this.#numbers.byteLength
  }

  unpack(): StoredCounts {
    const texts = this.#members.toString().split(SEPARATOR)
    const countOf = (count: number, i: number): KeyCount => ({
      key: texts[2 * i] ?? '',
      policy: texts[2 * i + 1] ?? '',
      count,
    })
    return { counts: Array.from(this.#numbers, countOf), error: this.#error }
  }
}
