import { constants, type NodeGCPerformanceDetail, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/**
 * Calls after which the old generation is collected, for each MB of the heap: some 2,000 with few policies. A collection of a
 * larger heap takes longer, so it follows after more calls.
 */
const CALLS_PER_MEGABYTE = 60

/** The shortest time between two requests for a collection, in ms. A process that is busier than that leaves them to V8. */
const INTERVAL_MS = 1_000

/** Growth of the old generation at which V8 begins to collect it, in percent of what V8 allows. With 0, V8 decides. */
const TRIGGER_FLAG = '--incremental-marking-hard-trigger'
const SOON = 1
const BY_ITSELF = 0

/**
 * Has V8 collect its old generation every few thousand calls. node:http2 creates strings of each call there. V8 frees them in the pause
 * that ends a collection, so each call makes the pause longer. By itself, V8 collects after some 20,000 calls, and pauses for 50 to 90 ms: an
 * Envoy that waits for 20 ms would report errors. `gc()` would also mark in one pause. V8 marks in steps if only the beginning is asked for.
 */
export class OldGeneration {
  readonly #collections = new PerformanceObserver(list => {
    if (list.getEntries().some(isOfOldGeneration)) this.#collected()
  })
  #calls = 0
  #askedMs = Number.NEGATIVE_INFINITY
  #isAsked = false

  constructor() {
    this.#collections.observe({ entryTypes: ['gc'] })
  }

  countCall(): void {
    this.#calls++
  }

  /** Asks for a collection if it is due. Call it a few times a second. */
  look(nowMs: number): void {
    if (this.#isAsked || nowMs - this.#askedMs < INTERVAL_MS) return
    if (this.#calls < CALLS_PER_MEGABYTE * heapMegabytes()) return
    this.#askedMs = nowMs
    this.#trigger(true)
  }

  close(): void {
    this.#collections.disconnect()
    this.#trigger(false)
  }

  #collected(): void {
    this.#calls = 0
    this.#trigger(false)
  }

  #trigger(isAsked: boolean): void {
    if (this.#isAsked === isAsked) return
    this.#isAsked = isAsked
    setFlagsFromString(`${TRIGGER_FLAG}=${isAsked ? SOON : BY_ITSELF}`)
  }
}

function heapMegabytes(): number {
  return getHeapStatistics().used_heap_size / 1e6
}

/** What is known of a collection, which the types of Node.js leave out. */
interface Collection extends PerformanceEntry {
  readonly detail?: NodeGCPerformanceDetail
}

function isOfOldGeneration({ detail }: Collection): boolean {
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR
}
