/** How many values of a label have series of their own. */
const MAX_VALUES = 1000

/** Stands for all values after the first ones. */
export const OTHER = 'other'

/** Bounds the values of a label: the first ones stay, and all further ones become `other`. */
export class FirstValues {
  readonly #values = new Set<string>()

  of(value: string): string {
    if (value === OTHER) return OTHER
    if (this.#values.size < MAX_VALUES) this.#values.add(value)
    return this.#values.has(value) ? value : OTHER
  }
}
