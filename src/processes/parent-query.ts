import { Problem } from '../lib/errors.ts'
import type { FromChild, ToChild } from './messages.ts'
import type { ParentLink } from './parent-link.ts'

interface Answer<T> {
  readonly id: number
  readonly value: T
  /** Whether no further value belongs to the answer. */
  readonly isLast: boolean
}

interface ParentQueryOptions<T> {
  readonly question: Extract<FromChild, { id: number }>['type']
  /** Returns the answer in a message, or one value of it; `undefined` if it holds none. */
  answerIn(message: ToChild): Answer<T> | undefined
  readonly timeoutMs: number
}

/** A request to the parent for information from other processes. */
export class ParentQuery<T> {
  readonly #parent: ParentLink
  readonly #options: ParentQueryOptions<T>
  readonly #waiting = new Map<number, (answer: Answer<T>) => void>()
  #lastId = 0

  constructor(parent: ParentLink, options: ParentQueryOptions<T>) {
    this.#parent = parent
    this.#options = options
    parent.onMessage(message => {
      const answer = options.answerIn(message)
      if (answer !== undefined) this.#waiting.get(answer.id)?.(answer)
    })
  }

  /** Resolves with the values of the answer. Rejects with `overloaded` if the parent does not answer in time. */
  ask(): Promise<readonly T[]> {
    const { question, timeoutMs } = this.#options
    const id = ++this.#lastId
    const values: T[] = []
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Problem('overloaded', `the parent process did not answer "${question}" within ${timeoutMs} ms`))
      }, timeoutMs)
      this.#waiting.set(id, ({ value, isLast }) => {
        values.push(value)
        if (!isLast) return
        clearTimeout(deadline)
        this.#waiting.delete(id)
        resolve(values)
      })
      this.#parent.send({ type: question, id })
    })
  }
}
