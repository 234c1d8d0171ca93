/** Run-length encodes what is asked in one call: the text of each run, and how often it follows itself. */
export class Runs {
  #text = ''
  #last = ''
  #count = 0

  add(item: string): void {
    if (item !== this.#last) this.#end(item)
    this.#count++
  }

  /** "run count run count …" */
  get text(): string {
    this.#end('')
    return this.#text
  }

  #end(next: string): void {
    if (this.#count > 0) this.#text += `${this.#last} ${this.#count} `
    this.#last = next
    this.#count = 0
  }
}
