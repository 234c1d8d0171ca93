/** Run-length encodes what is asked in one call. Items that ask for the same are compared, since to write the text of each costs more. */
export class Runs<Item> {
  readonly #areAlike: (a: Item, b: Item) => boolean
  readonly #textOf: (item: Item) => string
  #text = ''
  #last: Item | undefined
  #count = 0

  /** @param areAlike whether two items have the same text */
  constructor(areAlike: (a: Item, b: Item) => boolean, textOf: (item: Item) => string) {
    this.#areAlike = areAlike
    this.#textOf = textOf
  }

  add(item: Item): void {
    if (this.#last === undefined || !this.#areAlike(this.#last, item)) this.#begin(item)
    this.#count++
  }

  /** "run count run count …" */
  get text(): string {
    return this.#text + this.#end
  }

  #begin(item: Item): void {
    this.#text += `${this.#end}${this.#textOf(item)} `
    this.#last = item
    this.#count = 0
  }

  get #end(): string {
    return this.#count === 0 ? '' : `${this.#count} `
  }
}
