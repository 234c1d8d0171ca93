/** Of the integers that Redis adds. */
const MAX_STORED = 2 ** 63

/** A count that the store holds. One that is damaged, such as by hand, counts as 0, so that all others can be read. */
export function storedCount(text: string | null | undefined): number {
  const count = Number(text ?? 0)
  return Number.isInteger(count) && count >= 0 && count <= MAX_STORED ? count : 0
}
