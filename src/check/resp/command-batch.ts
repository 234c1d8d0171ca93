import type { CheckCommand } from './command.ts'

/** Commands that arrived together: the checks among them, and the replies to all of them, in their order. */
export class CommandBatch {
  readonly checks: CheckCommand[] = []
  readonly #replies: string[] = []
  readonly #onComplete: (bytes: string) => void
  /** Replies that are not there yet; one more while commands are added. */
  #missing = 1
  #bytes = 0
  #work = 0

  /** @param onComplete called once with all replies, when every one is there */
  constructor(onComplete: (bytes: string) => void) {
    this.#onComplete = onComplete
  }

  /** What it costs to read and run the commands, in short commands that only reply. */
  get work(): number {
    return this.#work
  }

  /** Of the replies that are there. */
  get bytes(): number {
    return this.#bytes
  }

  spend(work: number): void {
    this.#work += work
  }

  add(reply: string): void {
    this.#replies.push(reply)
    this.#bytes += reply.length
  }

  addCheck(check: CheckCommand): void {
    check.place = this.reserve()
    this.checks.push(check)
  }

  /** Returns the place of a reply that comes later. */
  reserve(): number {
    this.#missing++
    return this.#replies.push('') - 1
  }

  fill(place: number, reply: string): void {
    this.#replies[place] = reply
    this.#bytes += reply.length
    this.#arrived()
  }

  /** No more commands are added. */
  seal(): void {
    this.#arrived()
  }

  #arrived(): void {
    this.#missing--
    if (this.#missing > 0) return
    const replies = this.#replies
    this.#onComplete(replies.length === 1 ? (replies[0] as string) : replies.join(''))
  }
}
