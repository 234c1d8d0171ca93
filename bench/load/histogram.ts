const BINS = 1_000_000

/** Latencies in bins of one microsecond; the last bin counts everything from one second on. */
export class Histogram {
  readonly #bins = new Uint32Array(BINS)
  #count = 0
  #max = 0

  record(ms: number): void {
    const bin = Math.min(BINS - 1, Math.floor(ms * 1000))
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1
    this.#count++
    if (ms > this.#max) this.#max = ms
  }

  clear(): void {
    this.#bins.fill(0)
    this.#count = 0
    this.#max = 0
  }

  get maxMs(): number {
    return this.#max
  }

  /** The latency in ms at a quantile. */
  quantile(share: number): number {
    const rank = Math.ceil(share * this.#count)
    let seen = 0
    for (const [bin, count] of this.#bins.entries()) {
      seen += count
      if (seen >= rank) return (bin + 1) / 1000
    }
    return this.#max
  }
}
