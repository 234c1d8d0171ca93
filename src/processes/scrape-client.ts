import type { ParentLink } from './parent-link.ts'

const TIMEOUT_MS = 5_000

/** Asks the primary for the metrics of all front processes together. */
export class ScrapeClient {
  readonly #parent: ParentLink
  readonly #waiting = new Map<number, (text: string) => void>()
  #lastId = 0

  constructor(parent: ParentLink) {
    this.#parent = parent
    parent.onMessage(message => {
      if (message.type === 'scraped') this.#waiting.get(message.id)?.(message.text)
    })
  }

  scrape(): Promise<string> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error('the primary did not answer a scrape'))
      }, TIMEOUT_MS)
      this.#waiting.set(id, text => {
        clearTimeout(deadline)
        this.#waiting.delete(id)
        resolve(text)
      })
      this.#parent.send({ type: 'scrape', id })
    })
  }
}
