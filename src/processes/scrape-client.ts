import type { ToChild } from './messages.ts'
import type { ParentLink } from './parent-link.ts'

const TIMEOUT_MS = 5_000

interface Answer<T> {
  readonly id: number
  readonly value: T
}

/** Asks the parent for the metrics of others than this process. */
export class ScrapeClient<T> {
  readonly #parent: ParentLink
  readonly #waiting = new Map<number, (value: T) => void>()
  #lastId = 0

  /** @param answerIn the answer that a message bears, if it is one */
  constructor(parent: ParentLink, answerIn: (message: ToChild) => Answer<T> | undefined) {
    this.#parent = parent
    parent.onMessage(message => {
      const answer = answerIn(message)
      if (answer !== undefined) this.#waiting.get(answer.id)?.(answer.value)
    })
  }

  scrape(): Promise<T> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error('the parent did not answer a scrape'))
      }, TIMEOUT_MS)
      this.#waiting.set(id, value => {
        clearTimeout(deadline)
        this.#waiting.delete(id)
        resolve(value)
      })
      this.#parent.send({ type: 'scrape', id })
    })
  }
}

/** What a front asks its primary: the metrics of the whole instance, as Prometheus text. */
export function textIn(message: ToChild): Answer<string> | undefined {
  return message.type === 'scraped' ? { id: message.id, value: message.text } : undefined
}
