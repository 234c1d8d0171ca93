/**
 * Runs tasks in order, at most one in two turns of the event loop. So other work waits for one task at most, and its I/O of one
 * turn is answered in the next.
 */
export class Turns {
  readonly #tasks: (() => void)[] = []

  add(task: () => void): void {
    this.#tasks.push(task)
    if (this.#tasks.length === 1) this.#schedule()
  }

  /** Resolves when the caller may run its task. */
  next(): Promise<void> {
    return new Promise(resolve => this.add(resolve))
  }

  #schedule(): void {
    setImmediate(() => setImmediate(() => this.#run()))
  }

  #run(): void {
    try {
      this.#tasks[0]?.()
    } finally {
      this.#tasks.shift()
      if (this.#tasks.length > 0) this.#schedule()
    }
  }
}
