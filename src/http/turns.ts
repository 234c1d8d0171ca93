/** Runs tasks in order, at most one in each turn of the event loop, so that other work waits for one of them at most. */
export class Turns {
  #tasks: (() => void)[] = []

  add(task: () => void): void {
    this.#tasks.push(task)
    if (this.#tasks.length === 1) this.#schedule()
  }

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise(resolve => this.add(resolve))
  }

  #schedule(): void {
    setImmediate(() => {
      const task = this.#tasks[0]
      try {
        task?.()
      } finally {
        this.#tasks.shift()
        if (this.#tasks.length > 0) this.#schedule()
      }
    })
  }
}
